"""Learned mixing of the channels of a flow."""
from __future__ import annotations

import torch
from FrEIA.modules import InvertibleModule
from torch import Tensor, nn
from torch.nn import functional as F


class InvertibleConvolution(InvertibleModule):
    r"""Invertible 1x1 convolution :math:`u = W x` with :math:`W = L U`, starting as the identity.

    :math:`L` is lower triangular with unit diagonal, :math:`U` upper triangular with diagonal :math:`e^{d}`, so that
    :math:`\log|\det W| = \sum_c d_c` and :math:`W` can never become singular (Kingma and Dhariwal, "Glow",
    NeurIPS 2018, section 3.2, without the fixed permutation).
    """

    def __init__(self, dims_in: list[tuple[int, ...]], dims_c: list[tuple[int, ...]] | None = None) -> None:
        super().__init__(dims_in, dims_c)
        channels = dims_in[0][0]
        self.lower = nn.Parameter(torch.zeros(channels * (channels - 1) // 2))
        self.upper = nn.Parameter(torch.zeros(channels * (channels - 1) // 2))
        self.log_diagonal = nn.Parameter(torch.zeros(channels))

    def weight(self) -> Tensor:
        """The mixing matrix, shape (D, D)."""
        channels = self.log_diagonal.numel()
        row, column = torch.tril_indices(channels, channels, -1)
        identity = torch.eye(channels, dtype=self.lower.dtype, device=self.lower.device)
        lower = identity.index_put((row, column), self.lower)
        upper = torch.diag(self.log_diagonal.exp()).index_put((column, row), self.upper)
        return lower @ upper

    def forward(self, x_or_z, c=None, rev: bool = False, jac: bool = True) -> tuple[tuple[Tensor], Tensor]:
        """Map (N, D, h, w) and return the log-determinant of every pixel, shape (N, h, w)."""
        x = x_or_z[0]
        log_det = self.log_diagonal.sum().expand(x.shape[0], *x.shape[2:])
        weight = self.weight()
        if rev:
            return (F.conv2d(x, torch.linalg.inv(weight)[..., None, None]), ), -log_det
        return (F.conv2d(x, weight[..., None, None]), ), log_det

    def output_dims(self, input_dims: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
        """Shapes do not change."""
        return input_dims
