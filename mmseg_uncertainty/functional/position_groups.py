"""Groups of image positions that share their nonconformity: fixed zones and k-means."""
from __future__ import annotations

from inspect import signature

import numpy as np
import scipy

from .annuli import polar_coordinates, search_annuli
from .fourier_curves import fit_fourier_curves, fourier_group_map

GROUPINGS = ('image', 'pixel', 'zones', 'kmeans', 'annuli', 'fourier')
LEARNED_GROUPINGS = ('kmeans', 'annuli', 'fourier')


def zone_map(size: tuple[int, int], rows: int, columns: int) -> np.ndarray:
    """Divide the image into a fixed grid, such as horizon bands by left, centre and right.

    Args:
        size: Height and width.
        rows: Bands from top to bottom, in 1..height.
        columns: Bands from left to right, in 1..width.

    Returns:
        Zone of each pixel, shape (H, W), int64, row by row.

    Raises:
        ValueError: There are more bands than pixels.

    Examples:
        >>> zone_map((2, 4), rows=2, columns=2).tolist()
        [[0, 0, 1, 1], [2, 2, 3, 3]]
    """
    height, width = size
    if not (1 <= rows <= height and 1 <= columns <= width):
        raise ValueError(f'zone_map: {rows}x{columns} zones do not fit {height}x{width} pixels.')
    return cell_index(size, (rows, columns))


def cell_index(size: tuple[int, int], grid: tuple[int, int]) -> np.ndarray:
    """Cell of each pixel where a grid of any number of cells is laid over the image, however small.

    Args:
        size: Height and width.
        grid: Rows and columns of cells.

    Returns:
        Shape (H, W), int64, row by row.

    Examples:
        >>> cell_index((1, 2), grid=(1, 4)).tolist()
        [[0, 2]]
    """
    row, column = (np.arange(length) * cells // length for length, cells in zip(size, grid))
    return row[:, None] * grid[1] + column


def kmeans_map(features: np.ndarray, num_groups: int, seed: int = 0, restarts: int = 10) -> np.ndarray:
    """Group positions of similar features, wherever they are.

    Args:
        features: Shape (H, W, F), finite.
        num_groups: Number of groups, at most the number of distinct features.
        seed: Seed of the starts.
        restarts: Starts, of which the one with the smallest distortion is kept.

    Returns:
        Group of each position, shape (H, W), int64, ordered by the mean of the features of a group.

    Examples:
        >>> kmeans_map(np.array([[5.0, 0.0, 0.1, 5.1]])[..., None], num_groups=2).tolist()
        [[1, 0, 0, 1]]
    """
    points = features.reshape(-1, features.shape[-1]).astype(np.float64)
    generator = np.random.default_rng(seed)
    kmeans2 = scipy.cluster.vq.kmeans2
    # SciPy before 1.15 calls the random generator of k-means seed.
    random = {'rng' if 'rng' in signature(kmeans2).parameters else 'seed': generator}
    runs = [kmeans2(points, num_groups, minit='++', **random) for _ in range(restarts)]
    centres, labels = min(runs, key=lambda run: ((points - run[0][run[1]])**2).sum())
    rank = np.argsort(np.argsort(centres.mean(axis=1)))
    return rank[labels].reshape(features.shape[:2])


def learned_map(grouping: str, features: np.ndarray, num_groups: int, seed: int = 0) -> np.ndarray:
    """Group positions by their features with any of :data:`LEARNED_GROUPINGS`.

    Args:
        grouping: ``'kmeans'``, ``'annuli'`` or ``'fourier'``.
        features: Shape (H, W, F), finite.
        num_groups: Number of groups, at least 1.
        seed: Seed of the search.

    Returns:
        Group of each position, shape (H, W), int64.

    Raises:
        ValueError: ``grouping`` is not learned.

    Examples:
        >>> distance, _ = polar_coordinates((5, 5), centre=(0, 0))
        >>> groups = learned_map('annuli', (distance > 1.5)[..., None].astype(float), num_groups=2)
        >>> bool((groups == (distance > 1.5)).all())
        True
    """
    if grouping == 'kmeans':
        return kmeans_map(features, num_groups, seed)
    if grouping == 'annuli':
        centre, radii = search_annuli(features, num_groups)
        distance, _ = polar_coordinates(features.shape[:2], centre)
        return np.searchsorted(radii, distance, side='right')
    if grouping == 'fourier':
        return fourier_group_map(features.shape[:2], fit_fourier_curves(features, num_groups, seed=seed))
    raise ValueError(f'learned_map: grouping={grouping!r} is not learned; choose from {LEARNED_GROUPINGS}.')


def curve_features(histogram: np.ndarray, levels: np.ndarray, prior: float) -> np.ndarray:
    """Quantiles of the scores at each position, drawn towards those of all positions where there are few.

    Args:
        histogram: Counts of scores in equal bins of [0, 1], shape (H, W, B).
        levels: Quantile levels, shape (F,).
        prior: Number of scores at which a position counts as much as all positions together, above 0.

    Returns:
        Shape (H, W, F), float64, finite.

    Examples:
        >>> histogram = np.array([[[0, 0, 8, 0], [0, 0, 0, 0]]])  # eight scores at one position, none at its neighbour
        >>> curve_features(histogram, levels=np.array([0.5]), prior=1.0).tolist()  # the upper edge of the third bin
        [[[0.75], [0.75]]]
    """
    own, pooled = _histogram_quantiles(histogram, levels), _histogram_quantiles(histogram.sum(axis=(0, 1)), levels)
    count = histogram.sum(axis=-1, keepdims=True)
    return (np.where(count > 0, own, 0) * count + prior * pooled) / (count + prior)


def _histogram_quantiles(histogram: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """Upper edges of the bins in which the cumulated counts reach the levels."""
    cumulated = histogram.cumsum(axis=-1)
    reached = [(cumulated < level * cumulated[..., -1:]).sum(axis=-1) for level in levels]
    return (np.stack(reached, axis=-1) + 1) / histogram.shape[-1]
