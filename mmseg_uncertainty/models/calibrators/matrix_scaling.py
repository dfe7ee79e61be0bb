"""A matrix and an offset for the logits of all classes."""
from __future__ import annotations

import torch
from mmseg.registry import MODELS
from torch import Tensor
from torch.nn import functional as F

from mmseg_uncertainty.structures import FrozenOutputs, MethodInfo

from .sampled_calibrator import SampledCalibrator, centred, minimize


@MODELS.register_module()
class MatrixScaling(SampledCalibrator):
    r"""Multiply the logits by a matrix, :math:`\tilde z = W (z - \bar z) + b`, fitted by the likelihood of a sample of pixels.

    Logits are centred, so that a constant added to all of a pixel changes nothing. What is not on the diagonal of W, and b, is
    penalized by its mean square, as in Kull et al., "Beyond temperature scaling", NeurIPS 2019.

    Would change predictions; with ``keep_argmax`` (the default) it changes their confidences only.

    Args:
        num_classes: Number of classes K.
        penalty: Weight of both penalties, in nats per pixel.
        options: See :class:`SampledCalibrator`.

    Raises:
        ValueError: The penalty is negative.
    """

    info = MethodInfo(
        'On calibration of modern neural networks', 'Guo et al.', 2017, needs={'logits', 'labels'}, fitted=True,
        venue='ICML', url='https://arxiv.org/abs/1706.04599')

    def __init__(self, num_classes: int, penalty: float = 1e-3, **options) -> None:
        super().__init__(num_classes, **options)
        if penalty < 0:
            raise ValueError(f'MatrixScaling: penalty={penalty} must not be negative.')
        self.penalty = penalty
        self.register_buffer('matrix', torch.eye(num_classes, dtype=torch.float64))
        self.register_buffer('offset', torch.zeros(num_classes, dtype=torch.float64))

    def calibrate(self, outputs: FrozenOutputs, metas: list[dict]) -> Tensor:
        """Multiply and shift; see :meth:`Calibrator.calibrate`."""
        logits = outputs.logits
        mapped = torch.einsum('nkhw,jk->njhw', centred(logits), self.matrix.to(logits.dtype))
        return mapped + self.offset.to(logits.dtype)[None, :, None, None]

    def fit_sample(self, logits: Tensor, labels: Tensor) -> str:
        """Write matrix and offset; see :meth:`SampledCalibrator.fit_sample`."""
        logits, identity = centred(logits), torch.eye(self.num_classes, dtype=torch.float64)
        matrix, offset = identity.clone(), torch.zeros(self.num_classes, dtype=torch.float64)

        def loss() -> Tensor:
            apart = (matrix * (1 - identity)).square().mean() + offset.square().mean()
            return F.cross_entropy(logits @ matrix.T + offset, labels) + self.penalty * apart

        minimize([matrix, offset], loss)
        self.matrix.copy_(matrix)
        self.offset.copy_(offset)
        return f'diagonal {matrix.diagonal().numpy().round(3)}, offsets {offset.numpy().round(3)}'
