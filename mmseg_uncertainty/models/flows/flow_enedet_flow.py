"""The exact FlowEneDet flow: invertible blocks and a normalized base."""
from __future__ import annotations

import torch
from FrEIA.framework import SequenceINN
from torch import Tensor, nn

from mmseg_uncertainty.functional.compiled import is_compiling

from .act_norm import ActNorm
from .affine_coupling import AffineCoupling
from .class_conditional_gaussian import ClassConditionalGaussian
from .invertible_convolution import InvertibleConvolution

# 1 MB at 16 channels.
CACHED_PIXELS = 16384


class FlowEneDetFlow(nn.Module):
    r"""Normalizing flow over per-pixel energies with a base density for right and one for wrong pixels.

    Blocks of :class:`ActNorm`, :class:`InvertibleConvolution` and :class:`AffineCoupling`, composed in FrEIA's
    ``SequenceINN``. Every layer returns its log-determinant as a map (N, h, w) whose sum is that of the whole image, so
    :math:`\log p(z \mid m, c) = \sum_i \log p(u_i \mid m_i) + \log|\det \partial u / \partial z|_i` is exact for any map m
    of right and wrong pixels.

    Args:
        channels: Dimension D of the input.
        condition_channels: Channels P of the condition, 0 for the unconditional flow.
        blocks: Number of blocks L.
        hidden_channels: Width of the sub-networks.
        kernel_size: Neighbourhood of the sub-networks, odd.
        dropout: Channel dropout inside the sub-networks.
        scale_bound: Largest absolute logarithm of a coupling's scale.
    """

    def __init__(self,
                 channels: int,
                 condition_channels: int = 0,
                 blocks: int = 4,
                 hidden_channels: int = 32,
                 kernel_size: int = 7,
                 dropout: float = 0.2,
                 scale_bound: float = 2.0) -> None:
        super().__init__()
        self.channels, self.condition_channels, self.kernel_size = channels, condition_channels, kernel_size
        self.layers = SequenceINN(channels, 1, 1)
        condition = dict(cond=0, cond_shape=(condition_channels, 1, 1)) if condition_channels else {}
        for block in range(blocks):
            self.layers.append(ActNorm)
            self.layers.append(InvertibleConvolution)
            self.layers.append(AffineCoupling, keep_even=block % 2 == 1, hidden_channels=hidden_channels,
                               kernel_size=kernel_size, dropout=dropout, scale_bound=scale_bound, **condition)
        self.condition_norm = ActNorm([(condition_channels, 1, 1)]) if condition_channels else None
        self.base = ClassConditionalGaussian(channels)
        self.register_buffer('initialized', torch.tensor(False))

    @torch.no_grad()
    def initialize(self, z: Tensor, condition: Tensor | None, weight: Tensor) -> None:
        """Set every :class:`ActNorm` from one batch.

        Args:
            z: Shape (N, D, h, w).
            condition: Shape (N, P, h, w), or ``None``.
            weight: How much every pixel counts, shape (N, h, w).
        """
        if self.condition_norm is not None:
            self.condition_norm.initialize(condition, weight)
        conditions = self._conditions(condition)
        values = (z, )
        for layer, index in zip(self.layers, self.layers.conditions):
            if isinstance(layer, ActNorm):
                layer.initialize(values[0], weight)
            values, _ = layer(values) if index is None else layer(values, c=conditions)
        self.initialized.fill_(True)

    def _conditions(self, condition: Tensor | None) -> list[Tensor]:
        if self.condition_norm is None:
            return []
        return [self.condition_norm((condition, ))[0][0]]

    def forward(self, z: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map data to the base.

        Args:
            z: Shape (N, D, h, w).
            condition: Shape (N, P, h, w), or ``None`` for the unconditional flow.

        Returns:
            Base variable u, shape (N, D, h, w), and log-determinant of every pixel, shape (N, h, w).
        """
        return self.layers(z, c=self._conditions(condition))

    def inverse(self, u: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Map the base to data; shapes as in :meth:`forward`, log-determinant of the inverse."""
        return self.layers(u, c=self._conditions(condition), rev=True)

    def log_prob(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Log-density of every pixel given that it is right or wrong, shape (N, 2, h, w), without the prior."""
        u, log_det = self(z, condition)
        return self.base.log_prob(u) + log_det.unsqueeze(1)

    def log_joint(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Log-density of every pixel together with being right or wrong, shape (N, 2, h, w)."""
        return self.log_prob(z, condition) + self.base.log_prior()[None, :, None, None]

    def log_odds(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Posterior log-odds that a pixel is wrong, shape (N, h, w); the log-determinant cancels in it.

        Where the flow sees one pixel at a time, a CPU is given pixels in blocks that fit its cache: the same numbers to rounding.
        """
        if not self._takes_blocks(z):
            return self.base.log_odds(self(z, condition)[0])
        parts, seen = (None if maps is None else maps.flatten(2).unsqueeze(2).split(CACHED_PIXELS, dim=3) for maps in (z, condition))
        blocks = zip(parts, [None] * len(parts) if seen is None else seen)
        return torch.cat([self.base.log_odds(self(*block)[0]) for block in blocks], dim=2).view(z.shape[0], *z.shape[2:])

    def _takes_blocks(self, z: Tensor) -> bool:
        """Exporters would write down every block, and training keeps what all blocks computed."""
        return (self.kernel_size == 1 and z.device.type == 'cpu' and z.shape[2] * z.shape[3] > CACHED_PIXELS
                and not (torch.is_grad_enabled() or is_compiling() or torch.jit.is_tracing()))

    @torch.no_grad()
    def sample(self, wrong: Tensor, condition: Tensor | None = None,
               generator: torch.Generator | None = None) -> Tensor:
        """Draw z for a map of right (0) and wrong (1) pixels.

        Args:
            wrong: Shape (N, h, w).
            condition: Shape (N, P, h, w), or ``None``.
            generator: Source of randomness.

        Returns:
            Shape (N, D, h, w).
        """
        return self.inverse(self.base.sample(wrong, generator), condition)[0]
