"""Concentric rings of image positions with similar nonconformity: objective, exact optimum, search of the centre."""
from __future__ import annotations

import numpy as np
import scipy

SEARCHED_RADII, EXACT_RADII = 128, 2048


def polar_coordinates(size: tuple[int, int], centre: tuple[float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Distance and direction of each pixel from a centre.

    Args:
        size: Height and width.
        centre: x to the right and y upwards, in pixels from the pixel (height // 2, width // 2).

    Returns:
        Distance in pixels and angle in [-pi, pi], each of shape (H, W), float64.

    Examples:
        >>> distance, angle = polar_coordinates((3, 3), centre=(0, 0))
        >>> distance.round(3).tolist()
        [[1.414, 1.0, 1.414], [1.0, 0.0, 1.0], [1.414, 1.0, 1.414]]
    """
    height, width = size
    x = np.arange(width) - width // 2 - centre[0]
    y = height // 2 - np.arange(height) - centre[1]
    return np.hypot(x[None, :], y[:, None]), np.arctan2(y[:, None], x[None, :])


def published_ring_map(size: tuple[int, int], theta: np.ndarray) -> np.ndarray:
    """Ring of each pixel in the convention of the published masks.

    Args:
        size: Height and width.
        theta: Centre x, centre y, then radii as given, shape (2 + R,).

    Returns:
        Shape (H, W), uint8: i where a distance lies in (r(i-1), r(i)], R + 1 beyond the last radius, 0 at the very centre;
        later rings overwrite earlier ones.
    """
    distance, _ = polar_coordinates(size, (theta[0], theta[1]))
    radii = [0.0, *np.asarray(theta[2:], dtype=np.float64), np.inf]
    rings = np.zeros(size, dtype=np.uint8)
    for ring in range(1, len(radii)):
        rings[(distance > radii[ring - 1]) & (distance <= radii[ring])] = ring
    return rings


def published_objective(features: np.ndarray, theta: np.ndarray) -> tuple[float, np.ndarray]:
    r"""Sum over rings of :math:`\frac{1}{HW} \sum_{u, v} \|f_u - f_v\|_2`, with rings :math:`[r_{i-1}, r_i)`.

    Args:
        features: Shape (H, W, F).
        theta: Centre x, centre y, then radii as given, shape (2 + R,).

    Returns:
        The objective, and the number of pixels in each ring, shape (R + 1,), int64.
    """
    distance, _ = polar_coordinates(features.shape[:2], (theta[0], theta[1]))
    radii = [0.0, *np.asarray(theta[2:], dtype=np.float64), np.inf]
    rings = [features[(distance >= low) & (distance < high)].astype(np.float64) for low, high in zip(radii, radii[1:])]
    total = sum(scipy.spatial.distance.cdist(ring, ring).sum() for ring in rings if len(ring))
    return total / distance.size, np.array([len(ring) for ring in rings])


def best_annuli(features: np.ndarray,
                centre: tuple[float, float],
                num_rings: int,
                squared: bool = True,
                max_radii: int | None = None) -> tuple[np.ndarray, float]:
    """Radii around a centre that minimize the differences within rings, found exactly by dynamic programming.

    Args:
        features: Shape (H, W, F), finite.
        centre: As in :func:`polar_coordinates`.
        num_rings: Number of rings, at least 1.
        squared: Sum squared distances, in time linear in the pixels, or plain ones as published, quadratic in them.
        max_radii: Largest number of radii tried; ``None`` tries every distance that occurs.

    Returns:
        Radii between the rings, ascending, shape (num_rings - 1,), with rings [r(i-1), r(i)); and the objective.

    Raises:
        ValueError: There are fewer distances than rings.

    Examples:
        >>> distance, _ = polar_coordinates((5, 5), centre=(0, 0))
        >>> radii, objective = best_annuli((distance > 1.5)[..., None], centre=(0, 0), num_rings=2)
        >>> radii.tolist(), objective  # the inner ring ends before the distance of 2 pixels
        ([2.0], 0.0)
    """
    distance = polar_coordinates(features.shape[:2], centre)[0].ravel()
    starts = np.unique(distance)
    if max_radii is not None and len(starts) > max_radii:
        starts = starts[np.linspace(0, len(starts) - 1, max_radii).astype(int)]
    if num_rings > len(starts):
        raise ValueError(f'best_annuli: {num_rings} rings need as many distances, and there are {len(starts)}.')
    shell = np.searchsorted(starts, distance, side='right') - 1
    points = features.reshape(distance.size, -1).astype(np.float64)
    cost = (_squared_costs if squared else _plain_costs)(points, shell, len(starts)) / distance.size
    cuts, objective = _best_cuts(cost, num_rings)
    return starts[cuts], objective


def search_annuli(features: np.ndarray,
                  num_rings: int,
                  reach: float = 0.25,
                  steps: int = 5,
                  refinements: int = 3) -> tuple[tuple[float, float], np.ndarray]:
    """Best centre and radii: a grid of centres, refined around the best, each with its best radii.

    Args:
        features: Shape (H, W, F), finite.
        num_rings: Number of rings, at least 1.
        reach: How far the centre may lie from the middle of the image, as a share of its height and width.
        steps: Centres tried per axis and refinement, odd, so that the middle is among them.
        refinements: Grids, each half as wide as the one before.

    Returns:
        Centre, and radii as in :func:`best_annuli`, exact for it up to :data:`EXACT_RADII` different distances.

    Examples:
        >>> distance, _ = polar_coordinates((9, 9), centre=(0, 0))
        >>> centre, radii = search_annuli((distance > 2.5)[..., None], num_rings=2)
        >>> found, _ = polar_coordinates((9, 9), centre)
        >>> bool(((found >= radii[0]) == (distance > 2.5)).all())  # the rings are those of the features
        True
    """
    height, width = features.shape[:2]
    best = (np.inf, (0.0, 0.0), np.empty(0))
    for refinement in range(refinements):
        offsets = np.linspace(-reach, reach, steps) / 2**refinement
        middle = best[1]
        for x in middle[0] + offsets * width:
            for y in middle[1] + offsets * height:
                radii, objective = best_annuli(features, (x, y), num_rings, max_radii=SEARCHED_RADII)
                best = min(best, (objective, (x, y), radii), key=lambda candidate: candidate[0])
    return best[1], best_annuli(features, best[1], num_rings, max_radii=EXACT_RADII)[0]


def _squared_costs(points: np.ndarray, shell: np.ndarray, num_shells: int) -> np.ndarray:
    """Sum over ordered pairs of squared distances for every run of shells [i, j), shape (S + 1, S + 1)."""
    points = points - points.mean(axis=0)
    count = np.bincount(shell, minlength=num_shells)
    norms = np.bincount(shell, (points**2).sum(axis=1), minlength=num_shells)
    sums = np.stack([np.bincount(shell, column, minlength=num_shells) for column in points.T], axis=1)
    count, norms, sums = (np.concatenate([np.zeros_like(part[:1]), part.cumsum(axis=0)]) for part in (count, norms, sums))
    run = [part[None] - part[:, None] for part in (count, norms, sums)]
    return 2 * (run[0] * run[1] - (run[2]**2).sum(axis=-1)).clip(min=0)


def _plain_costs(points: np.ndarray, shell: np.ndarray, num_shells: int) -> np.ndarray:
    """Sum over ordered pairs of distances for every run of shells [i, j), shape (S + 1, S + 1)."""
    order = np.argsort(shell, kind='stable')
    bounds = np.searchsorted(shell[order], np.arange(num_shells))
    pairs = scipy.spatial.distance.cdist(points[order], points[order])
    blocks = np.add.reduceat(np.add.reduceat(pairs, bounds, axis=0), bounds, axis=1)
    corner = np.pad(blocks.cumsum(axis=0).cumsum(axis=1), ((1, 0), (1, 0)))
    diagonal = corner.diagonal()
    return diagonal[None, :] + diagonal[:, None] - corner - corner.T


def _best_cuts(cost: np.ndarray, num_runs: int) -> tuple[np.ndarray, float]:
    """Split 0..S-1 into runs of smallest total cost; returns the starts of all runs but the first, and the cost."""
    upper = np.triu(np.ones_like(cost, dtype=bool), 1)
    cost = np.where(upper, cost, np.inf)
    total, choices = cost[0], []
    for _ in range(num_runs - 1):
        candidates = total[:, None] + cost
        choices.append(candidates.argmin(axis=0))
        total = candidates.min(axis=0)
    cuts, end = [], len(cost) - 1
    for choice in reversed(choices):
        end = choice[end]
        cuts.append(end)
    return np.array(cuts[::-1], dtype=int), float(total[-1])
