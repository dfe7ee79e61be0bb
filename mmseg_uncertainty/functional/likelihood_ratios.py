"""Likelihood ratios of unlabelled target images to calibration images, from a classifier between their embeddings."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .embedding_axes import embedding_axes


@dataclass(frozen=True)
class LikelihoodRatio:
    r"""A log-linear ratio, :math:`w(x) = \min(e^{a \cdot x + b}, w_{max})`.

    Args:
        coefficients: a, shape (D,), float64.
        intercept: b.
        largest: :math:`w_{max} > 0`.

    Examples:
        >>> LikelihoodRatio(np.array([1.0]), 0.0, largest=5.0).weights(np.log([[1.0], [2.0], [9.0]])).round(4).tolist()
        [1.0, 2.0, 5.0]
    """

    coefficients: np.ndarray
    intercept: float
    largest: float = np.inf

    def weights(self, embeddings: np.ndarray) -> np.ndarray:
        """Ratio of each image.

        Args:
            embeddings: Shape (n, D).

        Returns:
            Shape (n,), float64, in [0, w_max].
        """
        exponent = np.asarray(embeddings, np.float64) @ self.coefficients + self.intercept
        return np.exp(np.minimum(exponent, np.log(self.largest)))


def fit_likelihood_ratio(source: np.ndarray, target: np.ndarray, components: int = 8, penalty: float = 1.0,
                         largest: float = np.inf) -> LikelihoodRatio:
    r"""Ratio by logistic regression: :math:`w(x) = \frac{P(target \mid x)}{P(source \mid x)} \frac{n}{m}`.

    Qin, "Inferences for case-control and semiparametric two-sample density ratio models", Biometrika 1998. Embeddings are
    brought to their principal axes first, at unit variance.

    Args:
        source: Embeddings of n images like those of the calibration, shape (n, D).
        target: Embeddings of m unlabelled images of the target, shape (m, D).
        components: Number of axes at most.
        penalty: Weight of half the squared norm of the coefficients, above 0, beside the sum of the log-losses.
        largest: Largest ratio.

    Raises:
        ValueError: There are fewer than two images of one kind, embeddings do not fit, or an option is out of range.

    Examples:
        >>> places = np.linspace(-1, 1, 401)[:, None]
        >>> ratio = fit_likelihood_ratio(places, places, penalty=1e-6)
        >>> bool(np.allclose(ratio.weights(places), 1, atol=1e-3))  # the same images
        True
    """
    source, target = (np.asarray(values, np.float64) for values in (source, target))
    if source.ndim != 2 or target.ndim != 2 or source.shape[1] != target.shape[1] or min(len(source), len(target)) < 2:
        raise ValueError(f'fit_likelihood_ratio: embeddings of shapes {source.shape} and {target.shape}; give (n, D) and (m, D), '
                         'at least two images of each.')
    if penalty <= 0 or components < 1 or not largest > 0:
        raise ValueError(f'fit_likelihood_ratio: penalty={penalty} and largest={largest} must be above 0 and '
                         f'components={components} at least 1.')
    together = np.concatenate([source, target])
    axes = embedding_axes(together, components)
    prior = float(np.log(len(target) / len(source)))
    if not axes.basis.shape[1]:
        return LikelihoodRatio(np.zeros(source.shape[1]), 0.0, largest)
    kinds = np.concatenate([np.zeros(len(source)), np.ones(len(target))])
    # Imported late: scikit-learn takes a second, which only fits need.
    from sklearn.linear_model import LogisticRegression
    model = LogisticRegression(C=1 / penalty, max_iter=2000, tol=1e-8).fit(axes.of(together), kinds)
    coefficients = axes.basis @ model.coef_[0]
    return LikelihoodRatio(coefficients, float(model.intercept_[0] - axes.mean @ coefficients - prior), largest)


def cross_fitted_weights(source: np.ndarray, target: np.ndarray, folds: int = 5, seed: int = 0,
                         **options) -> tuple[np.ndarray, LikelihoodRatio]:
    """Ratio of each image by a classifier that has not seen it, and the geometric mean of these classifiers for further images.

    Args:
        source: Shape (n, D).
        target: Shape (m, D).
        folds: Parts of the images, at least 2.
        seed: Seed of the division.
        options: Arguments of :func:`fit_likelihood_ratio`.

    Returns:
        Weights of the source images, shape (n,), and the ratio for further images.

    Raises:
        ValueError: There are too few images for the folds.

    Examples:
        >>> places = np.linspace(-1, 1, 40)[:, None]
        >>> weights, ratio = cross_fitted_weights(places, places + 1, folds=4)
        >>> bool(weights[0] < 1 < weights[-1]), bool(np.isclose(np.corrcoef(weights, ratio.weights(places))[0, 1], 1, atol=0.05))
        (True, True)
    """
    source, target = (np.asarray(values, np.float64) for values in (source, target))
    if folds < 2 or min(len(source), len(target)) < 2 * folds:
        raise ValueError(f'cross_fitted_weights: folds={folds} must be at least 2, with twice as many images of each kind; there '
                         f'are {len(source)} and {len(target)}.')
    generator = np.random.default_rng(seed)
    parts = [generator.permutation(len(values)) % folds for values in (source, target)]
    weights, ratios = np.empty(len(source)), []
    for fold in range(folds):
        ratios.append(fit_likelihood_ratio(source[parts[0] != fold], target[parts[1] != fold], **options))
        weights[parts[0] == fold] = ratios[-1].weights(source[parts[0] == fold])
    mean = LikelihoodRatio(np.mean([ratio.coefficients for ratio in ratios], axis=0),
                           float(np.mean([ratio.intercept for ratio in ratios])), ratios[0].largest)
    return weights, mean
