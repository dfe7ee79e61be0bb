"""Affine coupling with a neighbourhood."""
from __future__ import annotations

import torch
from FrEIA.modules import InvertibleModule
from torch import Tensor

from .context_network import ContextNetwork


class AffineCoupling(InvertibleModule):
    r"""Affine coupling :math:`u_T = x_T\,e^{s(x_K, c)} + t(x_K, c)`, :math:`u_K = x_K`.

    The kept channels K and the transformed ones T are disjoint, so the Jacobian of the whole map is block triangular
    whatever neighbourhood :math:`s` and :math:`t` see, and its log-determinant is the sum of :math:`s` over transformed
    channels and pixels. :math:`s` and :math:`t` are separate networks; :math:`|s| <` ``scale_bound`` keeps the inverse
    well conditioned.

    Dinh et al., "Density estimation using Real NVP", ICLR 2017, eq. 6-8; conditioning as in Gudovskiy et al.,
    "Concurrent Misclassification and Out-of-Distribution Detection for Semantic Segmentation via Energy-Based
    Normalizing Flow", UAI 2023.

    Args:
        dims_in: Shape of the input, ``[(D, ...)]``.
        dims_c: Shape of the condition, ``[(P, ...)]``, or nothing.
        keep_even: Whether the even channels are kept, otherwise the odd ones. One single channel is always transformed.
        hidden_channels: Width of the sub-networks.
        kernel_size: Neighbourhood of the sub-networks, odd.
        dropout: Channel dropout inside the sub-networks.
        scale_bound: Largest absolute logarithm of a scale.
    """

    def __init__(self,
                 dims_in: list[tuple[int, ...]],
                 dims_c: list[tuple[int, ...]] | None = None,
                 keep_even: bool = False,
                 hidden_channels: int = 32,
                 kernel_size: int = 7,
                 dropout: float = 0.2,
                 scale_bound: float = 2.0) -> None:
        super().__init__(dims_in, dims_c)
        channels = dims_in[0][0]
        if channels < 2:
            raise ValueError(f'AffineCoupling needs at least 2 channels, one to keep and one to change; got {channels}.')
        even = torch.arange(channels) % 2 == 0
        kept = even if keep_even else ~even
        self.register_buffer('kept', kept.nonzero().flatten(), persistent=False)
        self.register_buffer('changed', (~kept).nonzero().flatten(), persistent=False)
        self.register_buffer('restore', torch.cat([self.kept, self.changed]).argsort(), persistent=False)
        in_channels = self.kept.numel() + sum(shape[0] for shape in self.dims_c)
        sizes = (in_channels, self.changed.numel(), hidden_channels, kernel_size, dropout)
        self.scale_network = ContextNetwork(*sizes)
        self.shift_network = ContextNetwork(*sizes)
        self.scale_bound = scale_bound

    def forward(self, x_or_z, c=None, rev: bool = False, jac: bool = True) -> tuple[tuple[Tensor], Tensor]:
        """Map (N, D, h, w) and return the log-determinant of every pixel, shape (N, h, w)."""
        x = x_or_z[0]
        kept, changed = x[:, self.kept], x[:, self.changed]
        seen = torch.cat([kept, *(c or [])], dim=1)
        log_scale = self.scale_bound * torch.tanh(self.scale_network(seen) / self.scale_bound)
        shift = self.shift_network(seen)
        log_det = log_scale.sum(dim=1)
        if rev:
            changed, log_det = (changed - shift) * (-log_scale).exp(), -log_det
        else:
            changed = changed * log_scale.exp() + shift
        return (torch.cat([kept, changed], dim=1)[:, self.restore], ), log_det

    def output_dims(self, input_dims: list[tuple[int, ...]]) -> list[tuple[int, ...]]:
        """Shapes do not change."""
        return input_dims
