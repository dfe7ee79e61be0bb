"""Weights of classes from how often they occur."""
from __future__ import annotations

import numpy as np


def inverse_frequency(counts: np.ndarray) -> np.ndarray:
    """Weights proportional to one over the frequency, with mean 1 over the classes that occur.

    Args:
        counts: Pixels (or images) of every class, shape (K,), non-negative.

    Returns:
        Shape (K,), float64; 0 for a class that never occurs, here and in every function of this module.

    Examples:
        >>> inverse_frequency(np.array([1, 3, 0])).tolist()
        [1.5, 0.5, 0.0]
    """
    return _with_mean_one(_one_over(np.asarray(counts, float)))


def square_root_frequency(counts: np.ndarray) -> np.ndarray:
    """Weights proportional to one over the square root of the frequency, with mean 1; see :func:`inverse_frequency`.

    Examples:
        >>> square_root_frequency(np.array([1, 9])).tolist()
        [1.5, 0.5]
    """
    return _with_mean_one(_one_over(np.sqrt(np.asarray(counts, float))))


def effective_number(counts: np.ndarray, beta: float = 0.999) -> np.ndarray:
    r"""Weights proportional to :math:`(1 - \beta) / (1 - \beta^{n_k})`, with mean 1.

    Cui et al., "Class-Balanced Loss Based on Effective Number of Samples", CVPR 2019, eq. 4. Pixels of one image are no
    independent samples, and with counts far above :math:`1 / (1 - \beta)` all weights are equal: count images.

    Args:
        counts: Images that show each class, shape (K,).
        beta: In [0, 1); 0 weighs all alike, close to 1 as :func:`inverse_frequency`.

    Raises:
        ValueError: ``beta`` is out of range.

    Examples:
        >>> effective_number(np.array([1, 2]), beta=0.5).round(4).tolist()  # one over 1 and over 1.5, with mean 1
        [1.2, 0.8]
    """
    if not 0 <= beta < 1:
        raise ValueError(f'effective_number: beta={beta} must lie in [0, 1).')
    counts = np.asarray(counts, float)
    exponent = counts * np.log(beta) if beta else np.where(counts > 0, -np.inf, 0.)
    return _with_mean_one(_one_over(-np.expm1(exponent)))


def median_frequency(counts: np.ndarray, pixels_where_present: np.ndarray) -> np.ndarray:
    """Median frequency over frequency, where the frequency of a class is taken over the images that show it.

    Eigen and Fergus, "Predicting Depth, Surface Normals and Semantic Labels with a Common Multi-Scale Convolutional
    Architecture", ICCV 2015, section 6.3.

    Args:
        counts: Pixels of every class, shape (K,).
        pixels_where_present: Labelled pixels of all images that show the class, shape (K,).

    Returns:
        Shape (K,); 1 for the class of median frequency.

    Examples:
        >>> median_frequency(np.array([1, 2, 4]), pixels_where_present=np.array([10, 10, 10])).tolist()
        [2.0, 1.0, 0.5]
    """
    counts = np.asarray(counts, float)
    occurs = counts > 0
    frequency = counts * _one_over(np.asarray(pixels_where_present, float))
    return (np.median(frequency[occurs]) if occurs.any() else 0.) * _one_over(frequency)


def class_weights(pixels: np.ndarray, images: np.ndarray, pixels_where_present: np.ndarray,
                  beta: float = 0.999) -> dict[str, np.ndarray]:
    """Weights of every kind by name.

    Args:
        pixels: Pixels of every class, shape (K,).
        images: Images that show it, shape (K,).
        pixels_where_present: Labelled pixels of those images, shape (K,).
        beta: See :func:`effective_number`.

    Examples:
        >>> weights = class_weights(pixels=np.array([1, 3]), images=np.array([1, 1]), pixels_where_present=np.array([4, 4]))
        >>> weights['inverse'].tolist(), weights['effective_number'].tolist()
        ([1.5, 0.5], [1.0, 1.0])
    """
    return dict(
        inverse=inverse_frequency(pixels),
        square_root=square_root_frequency(pixels),
        effective_number=effective_number(images, beta),
        median_frequency=median_frequency(pixels, pixels_where_present))


def _one_over(values: np.ndarray) -> np.ndarray:
    return np.divide(1., values, out=np.zeros_like(values), where=values > 0)


def _with_mean_one(weights: np.ndarray) -> np.ndarray:
    occurs = weights > 0
    return weights / weights[occurs].mean() if occurs.any() else weights
