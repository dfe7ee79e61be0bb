"""What one pass through the frozen model yields."""
from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True)
class FrozenOutputs:
    """Outputs of the frozen base model for one batch; everything that is fitted or scored reads from here.

    Args:
        logits: Class logits at output size, shape (N, K, H, W). While fitting, output size is the size of the labels.
        native_logits: Class logits where the classifier computes them, shape (N, K, h, w).
        features: Input of the classifier, shape (N, C, h, w); ``None`` where the base model's head has no classifier
            layer.
        images: Preprocessed network input, shape (N, 3, H', W').
    """

    logits: Tensor
    native_logits: Tensor
    features: Tensor | None
    images: Tensor | None = None
