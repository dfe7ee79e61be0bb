"""Mean and disagreement of several models, one after the other."""
from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from .class_distributions import SOFTMAX, ClassDistribution


class EnsembleStatistics:
    r"""Sums of probabilities and of entropies over models, in float64; memory does not grow with their number.

    Lakshminarayanan, Pritzel and Blundell, "Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles",
    NeurIPS 2017; the disagreement is the mutual information of Houlsby et al., 2011.

    Examples:
        >>> models = EnsembleStatistics()
        >>> models.add(torch.tensor([[0.9, 0.1]]).log())
        >>> models.add(torch.tensor([[0.5, 0.5]]).log())
        >>> models.mean().round(decimals=4).tolist(), models.msp().round(decimals=4).tolist()
        ([[0.7, 0.3]], [0.3])
    """

    def __init__(self, distribution: ClassDistribution = SOFTMAX) -> None:
        self.distribution = distribution
        self.members = 0
        self._probabilities: Tensor | float = 0.
        self._entropies: Tensor | float = 0.

    def add(self, logits: Tensor) -> None:
        r"""Add one model by its class logits, shape (N, K, \*)."""
        probabilities = self.distribution.probabilities(logits.double())
        self._probabilities = self._probabilities + probabilities
        self._entropies = self._entropies + self.distribution.entropy(probabilities)
        self.members += 1

    def mean(self) -> Tensor:
        r"""Mean class probabilities, shape (N, K, \*), float64.

        Raises:
            ValueError: No model was added.
        """
        if not self.members:
            raise ValueError('EnsembleStatistics: no model was added; call add(logits) first.')
        return self._probabilities / self.members

    def msp(self) -> Tensor:
        r"""One minus the mean probability of the class decided for, shape (N, \*), in [0, 1]; higher is more uncertain."""
        mean = self.mean()
        return 1 - mean.gather(1, self.distribution.choose(mean).unsqueeze(1)).squeeze(1)

    def entropy(self) -> Tensor:
        r"""Entropy of the mean in nats, shape (N, \*), in [0, log K]; higher is more uncertain."""
        return self.distribution.entropy(self.mean())

    def mutual_information(self) -> Tensor:
        r"""Entropy of the mean minus mean entropy, shape (N, \*), in [0, log K]; 0 where all models agree."""
        return (self.entropy() - self._entropies / self.members).clamp_min(0)

    def of(self, index: int) -> EnsembleStatistics:
        """The sums of one image, N = 1."""
        return self._like(self._probabilities[index:index + 1], self._entropies[index:index + 1])

    @classmethod
    def joined(cls, parts: Sequence[EnsembleStatistics]) -> EnsembleStatistics:
        """Sums of the same models on different images, one after the other."""
        return parts[0]._like(*(torch.cat([getattr(part, name) for part in parts])
                                for name in ('_probabilities', '_entropies')))

    def _like(self, probabilities: Tensor, entropies: Tensor) -> EnsembleStatistics:
        other = EnsembleStatistics(self.distribution)
        other.members, other._probabilities, other._entropies = self.members, probabilities, entropies
        return other
