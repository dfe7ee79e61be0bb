"""How far away objects are, for recall by distance."""
from __future__ import annotations

import numpy as np

NEAREST_SHARE = 0.1


def stereo_distance(disparity: np.ndarray, focal: float, baseline: float) -> np.ndarray:
    r"""Distance along the optical axis, :math:`z = f b / d`.

    Args:
        disparity: In pixels, any shape; pixels at or below 0 were not matched.
        focal: Focal length f in pixels.
        baseline: Distance b of the two cameras in metres.

    Returns:
        Metres, same shape, float64; infinite where nothing was matched.

    Examples:
        >>> stereo_distance(np.array([0.0, 20.0]), focal=2000.0, baseline=0.2).tolist()
        [inf, 20.0]
    """
    return np.divide(focal * baseline, disparity, out=np.full(np.shape(disparity), np.inf), where=np.asarray(disparity) > 0)


def ground_distance(size: tuple[int, int], horizon: float, focal: float, height: float) -> np.ndarray:
    r"""Distance of the ground that each pixel would show if it were flat, :math:`z = f h / (v - v_0)`.

    Args:
        size: Height and width of the image in pixels.
        horizon: Row :math:`v_0` of the horizon in pixels from above.
        focal: Focal length f in pixels.
        height: Height h of the camera above the ground in metres.

    Returns:
        Metres, shape ``size``, float64; infinite at the horizon and above. Right where an object meets the ground only.

    Examples:
        >>> ground_distance((4, 1), horizon=1.0, focal=10.0, height=1.2).ravel().tolist()
        [inf, inf, 12.0, 6.0]
    """
    below = np.arange(size[0]) - float(horizon)
    rows = np.divide(focal * height, below, out=np.full(size[0], np.inf), where=below > 0)
    return np.repeat(rows[:, None], size[1], axis=1)


def object_distances(components: np.ndarray, count: int, distances: np.ndarray) -> np.ndarray:
    """Distance of each object: that of the nearest tenth of its pixels, so that single wrong pixels do not count.

    Args:
        components: Component of each pixel, 0 for none, shape (H, W), integer.
        count: Number of components m.
        distances: Metres, shape (H, W); infinite or NaN where they are unknown.

    Returns:
        Shape (m,), float64; infinite for objects of unknown distance.

    Examples:
        >>> object_distances(np.array([[1, 1, 0, 2]]), 2, np.array([[7.0, 9.0, 1.0, np.nan]])).tolist()
        [7.0, inf]
    """
    places = np.flatnonzero((components > 0) & np.isfinite(distances))
    owners, values = components.reshape(-1)[places], np.asarray(distances, np.float64).reshape(-1)[places]
    order = np.lexsort((values, owners))
    ends = np.searchsorted(owners[order], np.arange(1, count + 2))
    nearest = ends[:-1] + np.floor(NEAREST_SHARE * np.diff(ends)).astype(np.int64)
    known = np.diff(ends) > 0
    found = np.full(count, np.inf)
    found[known] = values[order][nearest[known]]
    return found
