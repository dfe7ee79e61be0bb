"""Points that cover others: the greedy solution of the k-centre problem."""
from __future__ import annotations

import numpy as np


def k_center(points: np.ndarray, count: int, first: int = 0) -> np.ndarray:
    """Choose points so that none of the others is far from all of them, each time the one farthest from those chosen.

    The largest distance that is left is at most twice the least possible (Gonzalez, "Clustering to minimize the maximum
    intercluster distance", Theoretical Computer Science 1985). Sener and Savarese, "Active Learning for Convolutional Neural
    Networks: A Core-Set Approach", ICLR 2018, choose images to label so.

    Args:
        points: Shape (n, D).
        count: Number of points to choose; all of them where there are fewer.
        first: Index of the point to begin with.

    Returns:
        Indices in the order of their choice, shape (min(count, n),), int64; of equally far points the earlier one.

    Raises:
        ValueError: Points are no matrix, or none is asked for.

    Examples:
        >>> k_center(np.array([[0.0], [0.1], [5.0], [2.0]]), count=3).tolist()
        [0, 2, 3]
    """
    points = np.asarray(points, np.float64)
    if points.ndim != 2 or count < 1:
        raise ValueError(f'k_center: points of shape {points.shape} and count={count}; give (n, D) and a number from 1.')
    if not len(points):
        return np.zeros(0, np.int64)
    chosen, distance = [first], _distances(points, first)
    while len(chosen) < min(count, len(points)):
        # Copies of a chosen point keep distance 0: they are chosen last, and the point itself never again.
        distance[chosen[-1]] = -1
        chosen.append(int(distance.argmax()))
        np.minimum(distance, _distances(points, chosen[-1]), out=distance)
    return np.array(chosen, np.int64)


def _distances(points: np.ndarray, index: int) -> np.ndarray:
    return np.square(points - points[index]).sum(axis=1)
