"""The released FlowEneDet network."""
from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .published_block import PublishedBlock

INVERSE_LOG_2 = 1.4427
SMALLEST_SIDE = 4


class PublishedFlow(nn.Module):
    r"""The network of the released FlowEneDet: blocks over :math:`(\log p_{in}, \log p_{out})` and two class logits.

    Its two outputs are called log-densities in the paper's code; they are neither normalized nor densities of a
    two-dimensional variable, since channels are never summed. Use :class:`FlowEneDetFlow` where that matters.

    Args:
        condition_channels: Channels P of the condition, 0 for the unconditional detector.
        blocks: Number of blocks L, even.
        dropout: Channel dropout inside the networks.
    """

    def __init__(self, condition_channels: int = 0, blocks: int = 4, dropout: float = 0.2) -> None:
        super().__init__()
        if blocks % 2:
            raise ValueError(f'PublishedFlow: blocks={blocks} must be even, so that both channels are changed.')
        self.blocks = nn.ModuleList(PublishedBlock(1 - block % 2, condition_channels, dropout)
                                    for block in range(blocks))
        self.mean = nn.Parameter(torch.zeros(2, 1))
        self.prior = nn.Parameter(torch.zeros(2, 1))
        self.factor = nn.Parameter(torch.zeros(3))
        self.register_buffer('initialized', torch.tensor(False))

    @torch.no_grad()
    def initialize(self, z: Tensor, condition: Tensor | None, weight: Tensor) -> None:
        """Set the affine layers of every block from one batch; shapes as in :meth:`FlowEneDetFlow.initialize`."""
        for block in self.blocks:
            block.initialize(z, condition, weight)
            z, _ = block(z, condition)
        self.initialized.fill_(True)

    def forward(self, z: Tensor, condition: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Run the blocks.

        Args:
            z: Shape (N, 2, h, w), sides of at least 4.
            condition: Shape (N, P, h, w), or ``None``.

        Returns:
            Flow variable and sum of the log-determinant terms, both (N, 2, h, w).

        Raises:
            ValueError: The map is too small for the reflected borders of the released network.
        """
        if min(z.shape[-2:]) < SMALLEST_SIDE:
            raise ValueError(f'The published FlowEneDet reflects 3 pixels at the border and needs maps of at least '
                             f'{SMALLEST_SIDE}x{SMALLEST_SIDE}, got {z.shape[-2]}x{z.shape[-1]}; use '
                             "variant='exact', or a larger scale_factor.")
        log_det = torch.zeros_like(z)
        for block in self.blocks:
            z, terms = block(z, condition)
            log_det = log_det + terms
        return z, log_det

    def base_logits(self, x: Tensor) -> Tensor:
        """Unnormalized log-density of every channel under its own component, shape (N, 2, h, w)."""
        first, second = (x - self.mean.view(1, 2, 1, 1)).unbind(dim=1)
        diagonal = INVERSE_LOG_2 * F.softplus(self.factor[:2])
        projected = torch.stack([diagonal[0] * first, self.factor[2] * first + diagonal[1] * second], dim=1)
        constant = diagonal.log() - F.softplus(self.prior.flatten())
        return constant.view(1, 2, 1, 1) - projected.square() / 2

    def log_joint(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """The two logits whose softmax is the score, shape (N, 2, h, w)."""
        x, log_det = self(z, condition)
        return log_det + self.base_logits(x)

    def log_odds(self, z: Tensor, condition: Tensor | None = None) -> Tensor:
        """Difference of the two logits, shape (N, h, w); higher is more uncertain."""
        right, wrong = self.log_joint(z, condition).unbind(dim=1)
        return wrong - right
