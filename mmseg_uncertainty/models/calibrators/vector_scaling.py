"""A scale and an offset for every class."""
from __future__ import annotations

import numpy as np
import torch
from mmengine.dist import all_gather_object
from mmengine.logging import print_log
from mmseg.registry import MODELS
from torch import Tensor
from torch.nn import functional as F

from mmseg_uncertainty.structures import FrozenOutputs, MethodInfo

from .calibrator import Calibrator, image_key, pixel_sample


@MODELS.register_module()
class VectorScaling(Calibrator):
    r"""Multiply and shift the logits of each class, fitted by the likelihood of a sample of pixels.

    Logits are given but for a constant per pixel, which the softmax does not see and scales of the classes would. They are
    therefore centred first, :math:`\tilde z_k = s_k (z_k - \bar z) + o_k`. Checkpoints without ``centered`` were fitted
    before that was so; they are applied as they were fitted, :math:`s_k z_k + o_k`, and give the probabilities that they
    gave.

    Would change predictions; with ``keep_argmax`` (the default) it changes their confidences only.

    Args:
        num_classes: Number of classes K.
        bias: Whether to shift.
        pixels_per_image: Labelled pixels of each image in the sample.
        options: See :class:`Calibrator`.
    """

    info = MethodInfo(
        'On calibration of modern neural networks', 'Guo et al.', 2017, needs={'logits', 'labels'}, fitted=True,
        venue='ICML', url='https://arxiv.org/abs/1706.04599')

    def __init__(self, num_classes: int, bias: bool = True, pixels_per_image: int = 4096, **options) -> None:
        super().__init__(num_classes, **options)
        self.bias, self.pixels_per_image = bias, pixels_per_image
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
        self._sample: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def update(self, outputs: FrozenOutputs, labels: Tensor, metas: list[dict]) -> None:
        """Add pixels of one batch; see :class:`~mmseg_uncertainty.models.fittable.Fittable`."""
        for logits, label, meta in zip(outputs.logits, labels, metas):
            pixels, label = self.labelled_pixels(logits, label)
            chosen = pixel_sample(label.numel(), self.pixels_per_image, meta)
            self._sample[image_key(meta)] = (pixels[:, chosen].cpu().numpy(), label[chosen].cpu().numpy())

    def merge_ranks(self) -> None:
        """Collect the samples of all processes."""
        self._sample = {key: part for parts in all_gather_object(self._sample) for key, part in parts.items()}

    def finish_stage(self, stage: int) -> None:
        """Write scales and offsets.

        Raises:
            ValueError: No pixel of the calibration images is labelled.
        """
        parts = [self._sample[key] for key in sorted(self._sample)]
        logits = torch.from_numpy(np.concatenate([pixels for pixels, _ in parts], axis=1)).double().T
        labels = torch.from_numpy(np.concatenate([label for _, label in parts])).long()
        if not labels.numel():
            raise ValueError('VectorScaling: no pixel of the calibration images is labelled; check their label files and the '
                             'label map.')
        scale, offset = fit_vector_scaling(logits, labels, self.bias)
        self.scale.copy_(scale)
        self.offset.copy_(offset)
        self.fitted.fill_(True)
        print_log(f'VectorScaling: scales {scale.numpy().round(3)}, offsets {offset.numpy().round(3)}', 'current')


def fit_vector_scaling(logits: Tensor, labels: Tensor, bias: bool) -> tuple[Tensor, Tensor]:
    """Scale and offset of the largest likelihood, by L-BFGS.

    Args:
        logits: Shape (n, K), float64; the mean of each row is taken off.
        labels: Shape (n,).
        bias: Whether to fit the offset; its mean is 0.

    Returns:
        Scale and offset, shape (K,) each.
    """
    logits = logits - logits.mean(dim=1, keepdim=True)
    scale = logits.new_ones(logits.shape[1]).requires_grad_()
    offset = logits.new_zeros(logits.shape[1]).requires_grad_(bias)
    optimizer = torch.optim.LBFGS([scale, offset] if bias else [scale], max_iter=200, line_search_fn='strong_wolfe',
                                  tolerance_grad=1e-9, tolerance_change=1e-12)

    def mean_likelihood() -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(logits * scale + offset, labels)
        loss.backward()
        return loss

    with torch.enable_grad():
        optimizer.step(mean_likelihood)
    offset = offset.detach()
    return scale.detach(), offset - offset.mean()
