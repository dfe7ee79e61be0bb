"""Registered boundary suppression with dilated smoothing."""
from __future__ import annotations

from mmseg.registry import MODELS
from torch import Tensor, nn

from mmseg_uncertainty.functional.score_filters import suppress_boundaries_and_smooth


@MODELS.register_module()
class BoundarySuppression(nn.Module):
    """Suppress boundaries and smooth; see
    :func:`~mmseg_uncertainty.functional.score_filters.suppress_boundaries_and_smooth`.
    """

    def __init__(self, radius: int = 3, kernel_size: int = 7, sigma: float = 1.0, dilation: int = 6) -> None:
        super().__init__()
        self.options = dict(radius=radius, kernel_size=kernel_size, sigma=sigma, dilation=dilation)

    def forward(self, score: Tensor, class_map: Tensor) -> Tensor:
        """Map score (N, h, w) and predicted classes (N, h, w) to (N, h, w)."""
        return suppress_boundaries_and_smooth(score, class_map, **self.options)
