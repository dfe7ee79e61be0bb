"""Spread of the class probabilities of a pixel."""
from __future__ import annotations

from torch import Tensor


def softmax_deviation(logits: Tensor) -> Tensor:
    r"""Negative standard deviation of the class probabilities over the classes, with K - 1 degrees of freedom.

    Score ``STD`` of the code released with Gudovskiy et al., UAI 2023.

    Args:
        logits: Class logits, shape (N, K, \*), K at least 2.

    Returns:
        Shape (N, \*), in [-1 / sqrt(K), 0]; higher is more uncertain.

    Examples:
        >>> softmax_deviation(torch.tensor([[100., 0.]]))  # of 1 and 0: -sqrt(1/2)
        tensor([-0.7071])
    """
    return -logits.softmax(dim=1).std(dim=1)
