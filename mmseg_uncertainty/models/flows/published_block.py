"""One block of the released FlowEneDet."""
from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .masked_statistics import masked_mean_and_std


class PublishedBlock(nn.Module):
    r"""One block of the released detector, with its own notion of a log-determinant.

    It differs from a normalizing flow on purpose, so that released checkpoints score as they did: scale and shift come
    from one and the same network, which in the unconditional detector also sees the channel it changes; the attention
    counts its log-determinant in both channels; all scales are below 1.

    Formulas of the code released with Gudovskiy et al., "Concurrent Misclassification and Out-of-Distribution Detection
    for Semantic Segmentation via Energy-Based Normalizing Flow", UAI 2023.

    Args:
        keep: Which of the two channels is kept.
        condition_channels: Channels P of the condition, 0 for none.
        dropout: Channel dropout inside the network.
    """

    def __init__(self, keep: int, condition_channels: int = 0, dropout: float = 0.2) -> None:
        super().__init__()
        width = 2 + condition_channels
        self.register_buffer('mask', torch.eye(2)[keep].view(1, 2, 1, 1), persistent=False)
        self.condition_shift = nn.Parameter(torch.zeros(1, condition_channels, 1, 1))
        self.condition_gate = nn.Parameter(torch.zeros(1, condition_channels, 1, 1))
        self.shift = nn.Parameter(torch.zeros(1, 2, 1, 1))
        self.gate = nn.Parameter(torch.zeros(1, 2, 1, 1))
        self.mixing = nn.Parameter(nn.init.orthogonal_(torch.empty(2, 2)))
        self.network = nn.Sequential(
            nn.Conv2d(width, width, 1), nn.Sigmoid(),
            nn.Conv2d(width, width, 7, padding=3, padding_mode='reflect'), nn.Sigmoid(), nn.Dropout2d(dropout),
            nn.Conv2d(width, 2, 1))
        self.attention = nn.Conv1d(2, 2, 1)
        self.keep_gate = nn.Parameter(torch.randn(1, 2, 1, 1))

    @torch.no_grad()
    def initialize(self, x: Tensor, condition: Tensor | None, weight: Tensor) -> None:
        """Set shifts to means and gates to log standard deviations of one batch, as released.

        Args:
            x: Shape (N, 2, h, w).
            condition: Shape (N, P, h, w), or ``None``.
            weight: How much every pixel counts, shape (N, h, w).
        """
        pairs = [(x, self.shift, self.gate)]
        if condition is not None:
            pairs.append((condition, self.condition_shift, self.condition_gate))
        for values, shift, gate in pairs:
            mean, std = masked_mean_and_std(values, weight, floor=0.0)
            shift.copy_(mean.view_as(shift))
            gate.copy_((std + 1e-6).log().view_as(gate))

    def forward(self, x: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor]:
        """Apply the block.

        Args:
            x: Shape (N, 2, h, w), sides of at least 4.
            condition: Shape (N, P, h, w), or ``None``.

        Returns:
            New variable and its log-determinant terms, both (N, 2, h, w).
        """
        x = self.shift + x * torch.sigmoid(-self.gate)
        x = F.conv2d(x, self.mixing[..., None, None])
        log_det = self.mixing_log_det() - F.softplus(self.gate)
        x, coupling_log_det = self._couple(x, condition)
        x, attention_log_det = self._attend(x)
        return x, log_det + coupling_log_det + attention_log_det

    def mixing_log_det(self) -> Tensor:
        """Log-determinant of the mixing of the two channels, a number."""
        return torch.linalg.slogdet(self.mixing).logabsdet

    def _couple(self, x: Tensor, condition: Tensor | None) -> tuple[Tensor, Tensor]:
        seen = x
        if condition is not None:
            condition = self.condition_shift + condition * torch.sigmoid(-self.condition_gate)
            seen = torch.cat([self.mask * x, condition], dim=1)
        gate = self.network(seen)
        shift = self.network(seen) if self.training else gate
        changed = x * torch.sigmoid(-gate) + shift
        return torch.where(self.mask > 0, x, changed), -(1 - self.mask) * F.softplus(gate)

    def _attend(self, x: Tensor) -> tuple[Tensor, Tensor]:
        weight = self.attention.weight.mean(dim=0, keepdim=True).unsqueeze(-1)
        value = F.conv2d(self.mask * x, weight, self.attention.bias.mean().view(1))
        factor = torch.where(self.mask > 0, torch.sigmoid(-self.keep_gate), torch.sigmoid(-value))
        return x * factor, -F.softplus(value) - self.mask * F.softplus(self.keep_gate)
