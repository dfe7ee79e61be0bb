"""Embeddings of images on their principal axes."""
from __future__ import annotations

from dataclasses import dataclass

import numpy as np

SMALLEST_DEVIATION = 1e-9


@dataclass(frozen=True)
class EmbeddingAxes:
    """An affine map of embeddings to coordinates of mean 0 and variance 1.

    Args:
        mean: Shape (D,), float64.
        basis: Shape (D, d), float64.
    """

    mean: np.ndarray
    basis: np.ndarray

    def of(self, embeddings: np.ndarray) -> np.ndarray:
        """Coordinates of embeddings (n, D), shape (n, d)."""
        return (np.asarray(embeddings, np.float64) - self.mean) @ self.basis


def embedding_axes(embeddings: np.ndarray, components: int) -> EmbeddingAxes:
    """Principal axes of standardized embeddings; directions without variance are left out.

    Args:
        embeddings: Shape (n, D), n at least 2.
        components: Number of axes at most.

    Returns:
        At most ``min(components, D, n - 1)`` axes, of the largest variance first.

    Examples:
        >>> axes = embedding_axes(np.array([[0.0, 5.0], [2.0, 5.0], [4.0, 5.0]]), components=2)  # the second never changes
        >>> axes.of([[2.0, 5.0]]).tolist(), axes.basis.shape
        ([[0.0]], (2, 1))
    """
    embeddings = np.asarray(embeddings, np.float64)
    mean, deviation = embeddings.mean(axis=0), embeddings.std(axis=0)
    varies = deviation > SMALLEST_DEVIATION * np.maximum(1.0, np.abs(mean))
    scale = np.where(varies, 1 / np.where(varies, deviation, 1.0), 0.0)
    _, sizes, directions = np.linalg.svd((embeddings - mean) * scale, full_matrices=False)
    kept = sizes[:components] > 1e-6 * sizes.max(initial=0)
    sizes, directions = sizes[:components][kept], directions[:components][kept]
    signs = np.sign(directions[np.arange(len(directions)), np.abs(directions).argmax(axis=1)]) if len(directions) else 1.0
    basis = scale[:, None] * (directions.T * signs) * np.sqrt(len(embeddings)) / sizes
    return EmbeddingAxes(mean, basis)
