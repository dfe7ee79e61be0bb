"""Registered Gaussian smoothing."""
from __future__ import annotations

from mmseg.registry import MODELS
from torch import Tensor, nn

from mmseg_uncertainty.functional.score_filters import gaussian_smoothing


@MODELS.register_module()
class GaussianSmoothing(nn.Module):
    """Smooth a score map; see :func:`~mmseg_uncertainty.functional.score_filters.gaussian_smoothing`."""

    def __init__(self, kernel_size: int = 7, sigma: float = 1.0, dilation: int = 1,
                 padding_mode: str = 'reflect') -> None:
        super().__init__()
        self.options = dict(kernel_size=kernel_size, sigma=sigma, dilation=dilation, padding_mode=padding_mode)

    def forward(self, score: Tensor, class_map: Tensor) -> Tensor:
        """Map score (N, h, w) to (N, h, w); ``class_map`` is not looked at."""
        return gaussian_smoothing(score, **self.options)
