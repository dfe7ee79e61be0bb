"""A posthoc model as one function from images to maps, as exporters want it."""
from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mmseg_uncertainty.models import PosthocSegmentor
from mmseg_uncertainty.models.decode_heads import ScoreHead
from mmseg_uncertainty.models.calibrators import LocalTemperatureScaling
from mmseg_uncertainty.models.flows.class_conditional_gaussian import ClassConditionalGaussian
from mmseg_uncertainty.models.flows.invertible_convolution import InvertibleConvolution
from mmseg_uncertainty.models.set_heads import ConformalRiskControlHead
from mmseg_uncertainty.structures import FrozenOutputs, GridOutputs


class ExportedSegmentor(nn.Module):
    """Label map, logits, uncertainty maps and, with a set head, set membership, at the size of the input.

    Args:
        model: Model to export; it is changed for exporting and should not be used otherwise.
        heads: Names of the heads to keep, by default all.
        preprocess: Whether images come as uint8 RGB (N, H, W, 3), to be normalized here, instead of normalized float32
            (N, 3, H, W) in the channel order of the model.
        probabilities: Whether to return class probabilities too, calibrated if the model has a calibrator.

    Raises:
        ValueError: A head is unknown, or a part of the model cannot be expressed for images of any size.
    """

    def __init__(self,
                 model: PosthocSegmentor,
                 heads: list[str] | None = None,
                 preprocess: bool = False,
                 probabilities: bool = False) -> None:
        super().__init__()
        check_exportable(model, heads)
        self.model, self.preprocess, self.probabilities = model, preprocess, probabilities
        self.heads = list(model.uncertainty_heads) if heads is None else list(heads)
        for name in set(model.uncertainty_heads) - set(self.heads):
            del model.uncertainty_heads[name]
        # Nothing predicts from the curves of calibration images.
        for module in list(model.modules()):
            _make_traceable(module)
            if isinstance(module, ConformalRiskControlHead):
                module.curves = None

    @property
    def output_names(self) -> list[str]:
        """Names of what :meth:`forward` returns."""
        return ['labels', 'logits', *(['probabilities'] if self.probabilities else []),
                *(f'uncertainty_{name}' for name in self.heads), *(['set_membership'] if self.model.set_head else [])]

    def example_inputs(self, batch: int, height: int, width: int, seed: int = 0) -> Tensor:
        """Random images of the kind that :meth:`forward` takes."""
        generator = torch.Generator().manual_seed(seed)
        pixels = torch.randint(0, 256, (batch, height, width, 3), generator=generator, dtype=torch.uint8)
        return pixels if self.preprocess else self.normalize(pixels)

    def normalize(self, images: Tensor) -> Tensor:
        """Turn uint8 RGB (N, H, W, 3) into what the model was trained on, float32 (N, 3, H, W)."""
        preprocessor = self.model.data_preprocessor
        images = images.permute(0, 3, 1, 2).float()
        images = images if takes_rgb(preprocessor) else images.flip(1)
        return (images - preprocessor.mean) / preprocessor.std if hasattr(preprocessor, 'mean') else images

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Predict.

        Args:
            images: See ``preprocess``.

        Returns:
            As named by :attr:`output_names`: labels (N, H, W) int64, logits and probabilities (N, K, H, W), uncertainty
            maps (N, H, W), set membership (N, K, H, W) bool.
        """
        images = self.normalize(images) if self.preprocess else images
        model, distribution = self.model, self.model.distribution
        passed = model.base(images, [{}])
        labels = distribution.predict(passed.scores)
        output, cells = model.at_output(passed.scores), model.cells(passed)
        calibrated = self._calibrate(FrozenOutputs(output.logits, images=images, windows=[cells]))
        read = GridOutputs(calibrated, predicted=output.predicted, distribution=distribution)
        scores = [self._score(head, cells, read, images) for head in (model.uncertainty_heads[name] for name in self.heads)]
        sets = [self._sets(calibrated, labels)] if model.set_head else []
        return (labels, passed.scores, *([distribution.probabilities(calibrated)] if self.probabilities else []), *scores, *sets)

    def _score(self, head: ScoreHead, cells: GridOutputs, output: GridOutputs, images: Tensor) -> Tensor:
        if head.resolution != 'native':
            return head(output)
        return F.interpolate(head(cells)[:, None], size=images.shape[2:], mode='bilinear',
                             align_corners=self.model.align_corners)[:, 0]

    def _calibrate(self, outputs: FrozenOutputs) -> Tensor:
        calibrator = self.model.calibrator
        if calibrator is None:
            return outputs.logits
        if isinstance(calibrator, LocalTemperatureScaling):
            rgb = (outputs.images * calibrator.std + calibrator.mean) / 255
            calibrated = outputs.logits / calibrator.network(outputs.logits, rgb)
        else:
            calibrated = calibrator.calibrate(outputs, [])
        return exchange_winner(calibrated, outputs.logits.argmax(dim=1)) if calibrator.keep_argmax else calibrated

    def _sets(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Sets of the LAC family, without the scatter in place that ONNX lacks."""
        set_head = self.model.set_head
        probabilities = set_head.probabilities(logits)
        membership = probabilities >= set_head.thresholds.to(probabilities).reshape(1, -1, 1, 1)
        if not set_head.family.force_top:
            return membership
        return membership | F.one_hot(labels, set_head.num_classes).permute(0, 3, 1, 2).bool()


def exchange_winner(calibrated: Tensor, labels: Tensor) -> Tensor:
    """Exchange the largest calibrated logit with that of the predicted class, so that predictions stay.

    Args:
        calibrated: Shape (N, K, H, W).
        labels: Likeliest classes of the base model, shape (N, H, W).
    """
    winner, leader = labels.unsqueeze(1), calibrated.argmax(dim=1, keepdim=True)
    top, own = calibrated.gather(1, leader), calibrated.gather(1, winner)
    return calibrated.scatter(1, leader, own).scatter(1, winner, top)


def check_exportable(model: PosthocSegmentor, heads: list[str] | None) -> None:
    """Raise ``ValueError`` unless a model can become one graph for images of any size."""
    unknown = set(heads or ()) - set(model.uncertainty_heads)
    if unknown:
        raise ValueError(f'Unknown heads {sorted(unknown)}; this model has {sorted(model.uncertainty_heads)}.')
    if model.tta is not None:
        raise ValueError('The graph predicts images as they are; export without tta, and average views outside of it.')
    for part in (model.calibrator, model.set_head):
        if part is not None and not part.is_fitted():
            raise ValueError(f'{type(part).__name__} is not fitted yet; fit it with tools/train.py and export the checkpoint '
                             'that this saves.')
    set_head = model.set_head
    if set_head is not None and not (isinstance(set_head, ConformalRiskControlHead) and set_head.family.kind == 'lac'):
        raise ValueError(f'{type(set_head).__name__} with these options depends on the size of the image or sorts '
                         "classes and cannot be exported; use ConformalRiskControlHead with family=dict(kind='lac').")


def takes_rgb(preprocessor: nn.Module) -> bool:
    """Whether a model that reads BGR images turns them to RGB; the attribute changed its name between stacks."""
    return bool(getattr(preprocessor, '_channel_conversion', getattr(preprocessor, 'channel_conversion', False)))


def _make_traceable(module: nn.Module) -> None:
    """Compute matrices of weights now, since ONNX lacks what builds them, and write attention in plain products."""
    for kind, method in ((InvertibleConvolution, 'weight'), (ClassConditionalGaussian, 'precision_factor')):
        if isinstance(module, kind):
            value = getattr(module, method)().detach()
            setattr(module, method, _constant(value.clone(memory_format=torch.contiguous_format)))
    if isinstance(module, nn.MultiheadAttention):
        module.forward = partial(attend, module)


def attend(attention: nn.MultiheadAttention, query: Tensor, key: Tensor, value: Tensor, **_) -> tuple[Tensor, None]:
    """Attention without mask, as :class:`torch.nn.MultiheadAttention` has it; its own trace fixes the lengths."""
    axes = (0, 2, 1, 3) if attention.batch_first else (1, 2, 0, 3)
    weights, biases = attention.in_proj_weight.chunk(3), attention.in_proj_bias.chunk(3)
    query, key, value = (F.linear(tokens, weight, bias).unflatten(-1, (attention.num_heads, -1)).permute(axes)
                         for tokens, weight, bias in zip((query, key, value), weights, biases))
    similarity = (query * attention.head_dim**-0.5) @ key.transpose(-2, -1)
    mixed = similarity.softmax(dim=-1) @ value
    mixed = mixed.permute((0, 2, 1, 3) if attention.batch_first else (2, 0, 1, 3)).flatten(start_dim=2)
    return attention.out_proj(mixed), None


def _constant(value: Tensor) -> Callable[[], Tensor]:
    return lambda: value
