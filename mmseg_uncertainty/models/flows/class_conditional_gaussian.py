"""Normalized base density of the flow, one component per answer."""
from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class ClassConditionalGaussian(nn.Module):
    r"""Two Gaussians with a common covariance: pixels the base model got right (0) and pixels it did not (1).

    :math:`\log p(u \mid m) = \log\det A - \tfrac D2\log 2\pi - \tfrac12\|A(u - \mu_m)\|^2`, where :math:`A` is lower
    triangular with positive diagonal, and :math:`\log p(u, m) = \log\pi_m + \log p(u \mid m)`. Each component integrates
    to 1. The covariance is common because otherwise the wider component wins far away from both means, so that the
    surest pixels of all would be called wrong.

    Args:
        channels: Dimension D.
        separation: Initial distance of the two means along the first channel.
    """

    def __init__(self, channels: int, separation: float = 1.0) -> None:
        super().__init__()
        mean = torch.zeros(2, channels)
        mean[0, 0], mean[1, 0] = -separation / 2, separation / 2
        self.mean = nn.Parameter(mean)
        self.log_diagonal = nn.Parameter(torch.zeros(channels))
        self.off_diagonal = nn.Parameter(torch.zeros(channels * (channels - 1) // 2))
        self.prior_logit = nn.Parameter(torch.zeros(()))

    def precision_factor(self) -> Tensor:
        """The matrix A, shape (D, D)."""
        channels = self.log_diagonal.numel()
        row, column = torch.tril_indices(channels, channels, -1)
        return torch.diag(self.log_diagonal.exp()).index_put((row, column), self.off_diagonal)

    def log_prior(self) -> Tensor:
        """Logarithm of the share of right and of wrong pixels, shape (2,)."""
        return nn.functional.logsigmoid(torch.stack([-self.prior_logit, self.prior_logit]))

    def log_prob(self, u: Tensor) -> Tensor:
        """Log-density of every pixel under both components.

        Args:
            u: Shape (N, D, h, w).

        Returns:
            Shape (N, 2, h, w), without the prior.
        """
        factor = self.precision_factor()
        deviation = u.unsqueeze(1) - self.mean[None, :, :, None, None]
        whitened = torch.einsum('ij,nmjhw->nmihw', factor, deviation)
        constant = self.log_diagonal.sum() - u.shape[1] / 2 * math.log(2 * math.pi)
        return constant - whitened.square().sum(dim=2) / 2

    def log_odds(self, u: Tensor) -> Tensor:
        r"""Posterior log-odds :math:`\log p(m=1 \mid u) - \log p(m=0 \mid u)`, shape (N, h, w), linear in ``u``."""
        factor = self.precision_factor()
        direction = factor.T @ factor @ (self.mean[1] - self.mean[0])
        offset = self.prior_logit - direction @ (self.mean[0] + self.mean[1]) / 2
        return torch.einsum('nchw,c->nhw', u, direction) + offset

    def sample(self, wrong: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Draw one point per pixel.

        Args:
            wrong: Component of every pixel, shape (N, h, w), bool or 0/1.
            generator: Source of randomness.

        Returns:
            Shape (N, D, h, w).
        """
        factor = self.precision_factor()
        noise = torch.randn(wrong.shape + factor.shape[:1], generator=generator, dtype=factor.dtype,
                            device=factor.device)
        deviation = torch.linalg.solve_triangular(factor, noise.unsqueeze(-1), upper=False).squeeze(-1)
        return (self.mean[wrong.long()] + deviation).movedim(-1, 1)
