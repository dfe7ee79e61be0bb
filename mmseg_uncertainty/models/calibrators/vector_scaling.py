"""A scale and an offset for every class."""
from __future__ import annotations

import torch
from mmseg.registry import MODELS
from torch import Tensor
from torch.nn import functional as F

from mmseg_uncertainty.structures import FrozenOutputs, MethodInfo

from .sampled_calibrator import SampledCalibrator, centred, minimize


@MODELS.register_module()
class VectorScaling(SampledCalibrator):
    r"""Multiply and shift the logits of each class, fitted by the likelihood of a sample of pixels.

    Logits are given but for a constant per pixel, which the softmax does not see and scales of the classes would. They are
    therefore centred first, :math:`\tilde z_k = s_k (z_k - \bar z) + o_k`. Checkpoints without ``centered`` were fitted
    before that was so; they are applied as they were fitted, :math:`s_k z_k + o_k`, and give the probabilities that they
    gave.

    Would change predictions; with ``keep_argmax`` (the default) it changes their confidences only.

    Args:
        num_classes: Number of classes K.
        bias: Whether to shift.
        options: See :class:`SampledCalibrator`.
    """

    info = MethodInfo(
        'On calibration of modern neural networks', 'Guo et al.', 2017, needs={'logits', 'labels'}, fitted=True,
        venue='ICML', url='https://arxiv.org/abs/1706.04599')

    def __init__(self, num_classes: int, bias: bool = True, **options) -> None:
        super().__init__(num_classes, **options)
        self.bias = bias
        self.register_buffer('scale', torch.ones(num_classes, dtype=torch.float64))
        self.register_buffer('offset', torch.zeros(num_classes, dtype=torch.float64))
        self.register_buffer('centered', torch.ones((), dtype=torch.bool))

    def _load_from_state_dict(self, state_dict: dict[str, Tensor], prefix: str, *args) -> None:
        if f'{prefix}scale' in state_dict:
            state_dict = {f'{prefix}centered': torch.tensor(False), **state_dict}
        super()._load_from_state_dict(state_dict, prefix, *args)

    def calibrate(self, outputs: FrozenOutputs, metas: list[dict]) -> Tensor:
        """Scale and shift; see :meth:`Calibrator.calibrate`."""
        logits = outputs.logits
        scale, offset = (values.to(logits.dtype)[None, :, None, None] for values in (self.scale, self.offset))
        mean = logits.mean(dim=1, keepdim=True) * self.centered
        return (logits - mean) * scale + offset

    def start_stage(self, stage: int) -> None:
        """Forget the sample."""
        super().start_stage(stage)
        self.centered.fill_(True)

    def fit_sample(self, logits: Tensor, labels: Tensor) -> str:
        """Write scales and offsets; see :meth:`SampledCalibrator.fit_sample`."""
        logits = centred(logits)
        scale, offset = torch.ones_like(self.scale, device='cpu'), torch.zeros_like(self.offset, device='cpu')
        minimize([scale, offset] if self.bias else [scale], lambda: F.cross_entropy(logits * scale + offset, labels))
        self.scale.copy_(scale)
        self.offset.copy_(offset)
        return f'scales {scale.numpy().round(3)}, offsets {offset.numpy().round(3)}'
