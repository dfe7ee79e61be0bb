"""A mixture of the softmax with and without temperature and of even odds."""
from __future__ import annotations

import torch
from mmseg.registry import MODELS
from torch import Tensor

from mmseg_uncertainty.functional.calibration_maps import mix_temperatures
from mmseg_uncertainty.functional.temperature import fit_temperature
from mmseg_uncertainty.structures import FrozenOutputs, MethodInfo

from .likelihood_fit import temperature_of_all
from .sampled_calibrator import SampledCalibrator

ITERATIONS = 1000


@MODELS.register_module()
class EnsembleTemperatureScaling(SampledCalibrator):
    """Mix predictions by :func:`~mmseg_uncertainty.functional.calibration_maps.mix_temperatures`.

    The temperature is that of the largest likelihood, the shares then are too. Predictions stay.

    Args:
        num_classes: Number of classes K.
        options: See :class:`SampledCalibrator`.
    """

    info = MethodInfo(
        'Mix-n-Match: Ensemble and Compositional Methods for Uncertainty Calibration in Deep Learning',
        'Zhang, Kailkhura and Han', 2020, needs={'logits', 'labels'}, fitted=True, venue='ICML',
        url='https://arxiv.org/abs/2003.07329')

    def __init__(self, num_classes: int, **options) -> None:
        super().__init__(num_classes, **options)
        self.register_buffer('temperature', torch.ones((), dtype=torch.float64))
        self.register_buffer('portions', torch.tensor([0., 1., 0.], dtype=torch.float64))

    def calibrate(self, outputs: FrozenOutputs, metas: list[dict]) -> Tensor:
        """Mix; see :meth:`Calibrator.calibrate`."""
        return mix_temperatures(outputs.logits, self.temperature.to(outputs.logits), self.portions)

    def fit_sample(self, logits: Tensor, labels: Tensor) -> str:
        """Write temperature and shares; see :meth:`SampledCalibrator.fit_sample`."""
        temperature = fit_temperature(logits.T, labels)
        inverse = 0. if temperature == torch.inf else torch.inf if temperature == 0 else 1 / temperature
        temperature = 1 / temperature_of_all(inverse, type(self).__name__)
        own = torch.stack([(logits / temperature).softmax(dim=1), logits.softmax(dim=1),
                           torch.full_like(logits, 1 / self.num_classes)])
        shares = mixture_shares(own.gather(2, labels.expand(3, -1)[..., None])[..., 0])
        self.temperature.fill_(temperature)
        self.portions.copy_(shares)
        return f'temperature {temperature:.4f}, shares {shares.numpy().round(4)}'


def mixture_shares(likelihoods: Tensor) -> Tensor:
    """Shares of the largest likelihood of a mixture, by expectation maximization; never worse than a single part.

    Args:
        likelihoods: Probability that each part gives to what is true, shape (parts, n), float64.

    Returns:
        Shape (parts,), summing to 1.
    """
    count = len(likelihoods)
    shares = likelihoods.new_full((count, ), 1 / count)
    for _ in range(ITERATIONS):
        parts = shares[:, None] * likelihoods
        updated = (parts / parts.sum(dim=0).clamp_min(torch.finfo(parts.dtype).tiny)).mean(dim=1)
        if (updated - shares).abs().max() < 1e-10:
            break
        shares = updated
    candidates = [shares / shares.sum(), *torch.eye(count, dtype=shares.dtype)]
    return max(candidates, key=lambda one: float((one @ likelihoods).clamp_min(1e-300).log().sum()))
