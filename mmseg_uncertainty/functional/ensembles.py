"""Mean and disagreement of several models, one after the other."""
from __future__ import annotations

import torch
from torch import Tensor


class EnsembleStatistics:
    r"""Sums of probabilities and of entropies over models, in float64; memory does not grow with their number.

    Lakshminarayanan, Pritzel and Blundell, "Simple and Scalable Predictive Uncertainty Estimation using Deep Ensembles",
    NeurIPS 2017; the disagreement is the mutual information of Houlsby et al., 2011.
    """

    def __init__(self) -> None:
        self.members = 0
        self._probabilities: Tensor | float = 0.
        self._entropies: Tensor | float = 0.

    def add(self, logits: Tensor) -> None:
        r"""Add one model by its class logits, shape (N, K, \*)."""
        probabilities = logits.double().softmax(dim=1)
        self._probabilities = self._probabilities + probabilities
        self._entropies = self._entropies + torch.special.entr(probabilities).sum(dim=1)
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
        r"""One minus the largest mean probability, shape (N, \*), in [0, 1 - 1/K]; higher is more uncertain."""
        return 1 - self.mean().amax(dim=1)

    def entropy(self) -> Tensor:
        r"""Entropy of the mean in nats, shape (N, \*), in [0, log K]; higher is more uncertain."""
        return torch.special.entr(self.mean()).sum(dim=1)

    def mutual_information(self) -> Tensor:
        r"""Entropy of the mean minus mean entropy, shape (N, \*), in [0, log K]; 0 where all models agree."""
        return (self.entropy() - self._entropies / self.members).clamp_min(0)
