"""Per-channel affine layer of a flow."""
from __future__ import annotations

import torch
from FrEIA.modules import InvertibleModule
from torch import Tensor, nn

from .masked_statistics import masked_mean_and_std


class ActNorm(InvertibleModule):
    r"""Per-channel affine map :math:`u_c = (x_c - b_c)\,e^{-a_c}` with learned :math:`a, b`.

    :meth:`initialize` sets both so that the channels of a first batch come out with mean 0 and variance 1 (Kingma and
    Dhariwal, "Glow", NeurIPS 2018, section 3.1); without it the layer starts as the identity.
    """

    def __init__(self, dims_in: list[tuple[int, ...]], dims_c: list[tuple[int, ...]] | None = None) -> None:
        super().__init__(dims_in, dims_c)
        channels = dims_in[0][0]
        self.shift = nn.Parameter(torch.zeros(1, channels, 1, 1))
        self.log_scale = nn.Parameter(torch.zeros(1, channels, 1, 1))

    @torch.no_grad()
    def initialize(self, x: Tensor, weight: Tensor) -> None:
        """Normalize one batch.

        Args:
            x: Input of this layer, shape (N, D, h, w).
            weight: How much every pixel counts, shape (N, h, w), non-negative.
        """
        mean, std = masked_mean_and_std(x, weight)
        self.shift.copy_(mean.view_as(self.shift))
        self.log_scale.copy_(std.log().view_as(self.log_scale))

    def forward(self, x_or_z, c=None, rev: bool = False, jac: bool = True) -> tuple[tuple[Tensor], Tensor]:
        """Map (N, D, h, w) and return the log-determinant of every pixel, shape (N, h, w)."""
        x = x_or_z[0]
        log_det = (-self.log_scale.sum()).expand(x.shape[0], *x.shape[2:])
        if rev:
            return (x * self.log_scale.exp() + self.shift, ), -log_det
        return ((x - self.shift) * (-self.log_scale).exp(), ), log_det

    def output_dims(self, input_dims: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
        """Shapes do not change."""
        return input_dims
