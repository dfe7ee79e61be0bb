"""What a wrapped network says about a batch of images."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from mmseg.structures import SegDataSample
from torch import Tensor

from mmseg_uncertainty.functional.class_distributions import SOFTMAX, ClassDistribution


@dataclass(frozen=True)
class PredictedImages:
    """Maps of N images of one size, as tensors; :meth:`numpy` gives them as arrays.

    Args:
        labels: Predicted classes, those of the network, shape (N, H, W), int64.
        logits: Class logits of the network, shape (N, K, H, W).
        uncertainty: Map of each head, shape (N, H, W); higher is more uncertain.
        prediction_set: Which classes stay possible, shape (N, K, H, W), bool; ``None`` without sets.
        flags: Pixels that each decision flags, shape (N, H, W), bool.
        calibrated_logits: Logits after the calibrator, shape (N, K, H, W); ``None`` without one.
        classes: Names of the classes, ``None`` where they are not known.
        distribution: What logits mean.
    """

    labels: Tensor | np.ndarray
    logits: Tensor | np.ndarray
    uncertainty: dict[str, Tensor | np.ndarray] = field(default_factory=dict)
    prediction_set: Tensor | np.ndarray | None = None
    calibrated_logits: Tensor | np.ndarray | None = None
    classes: Sequence[str] | None = None
    distribution: ClassDistribution = SOFTMAX
    flags: dict[str, Tensor | np.ndarray] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def probabilities(self) -> Tensor | np.ndarray:
        """Class probabilities, calibrated where there is a calibrator, shape (N, K, H, W), in [0, 1]."""
        logits = self.logits if self.calibrated_logits is None else self.calibrated_logits
        if isinstance(logits, np.ndarray):
            return self.distribution.probabilities(torch.from_numpy(logits)).numpy()
        return self.distribution.probabilities(logits)

    @property
    def set_size(self) -> Tensor | np.ndarray | None:
        """Number of classes in each set, shape (N, H, W); ``None`` without sets."""
        return None if self.prediction_set is None else self.prediction_set.sum(1)

    def numpy(self) -> PredictedImages:
        """The same with arrays on the host."""
        arrays = {name: None if getattr(self, name) is None else _array(getattr(self, name))
                  for name in ('labels', 'logits', 'prediction_set', 'calibrated_logits')}
        return replace(self, **arrays, uncertainty={name: _array(maps) for name, maps in self.uncertainty.items()},
                       flags={name: _array(maps) for name, maps in self.flags.items()})


def stack_samples(samples: Sequence[SegDataSample], heads: Sequence[str], distribution: ClassDistribution,
                  classes: Sequence[str] | None) -> PredictedImages:
    """Samples of one size, as :func:`~mmseg_uncertainty.models.segmentors.image_result.write_result` fills them, in one."""
    logits = 'class_logits' if 'class_logits' in samples[0] else 'seg_logits'
    stacked = {name: torch.stack([sample.get(source).data for sample in samples]) if source in samples[0] else None
               for name, source in dict(logits=logits, calibrated_logits='calibrated_logits').items()}
    sets = None
    if 'prediction_set' in samples[0]:
        sets = torch.stack([sample.prediction_set.membership for sample in samples])
    uncertainty = {name: torch.stack([sample.uncertainty.get(name)[0] for sample in samples]) for name in heads}
    named = samples[0].flags.keys() if 'flags' in samples[0] else ()
    flags = {name: torch.stack([sample.flags.get(name)[0] for sample in samples]) for name in named}
    labels = torch.stack([sample.pred_sem_seg.data[0] for sample in samples])
    return PredictedImages(labels, **stacked, uncertainty=uncertainty, prediction_set=sets, classes=classes,
                           distribution=distribution, flags=flags)


def _array(maps: Tensor | np.ndarray) -> np.ndarray:
    return maps if isinstance(maps, np.ndarray) else maps.detach().cpu().numpy()
