"""Segmentors of MMSegmentation as frozen bases."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mmseg.models.decode_heads import Mask2FormerHead, MaskFormerHead
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmseg_uncertainty.functional.class_distributions import ClassDistribution, class_distribution
from mmseg_uncertainty.host import installed_stacks
from mmseg_uncertainty.label_values import VOID
from mmseg_uncertainty.operators import python_operators
from mmseg_uncertainty.upstream import accepted_mmcv

from .frozen_base import FrozenBase

MASK_HEADS = (MaskFormerHead, Mask2FormerHead)
MMDET = {'OneDL': ('onedl-mmdetection', 'mmseg_uncertainty[mask2former]'), 'OpenMMLab': ('mmdet', 'mmdet>=3,<4')}
"""The distribution of mmdet that belongs to a stack, and what to install for it."""


@MODELS.register_module()
class MMSegBase(FrozenBase):
    """Hold an ``EncoderDecoder`` or ``CascadeEncoderDecoder``, built exactly as its own config says.

    Args:
        output: What the output means, out of :data:`~mmseg_uncertainty.functional.class_distributions.DISTRIBUTIONS`; by
            default what the decode head says: one sigmoid channel, masks, one sigmoid per class where all its losses are
            sigmoids (``use_sigmoid``), else softmax.
        segmentor: Config of the segmentor; a list of decode heads makes a cascade. Its pretrained weights are never
            fetched, since a checkpoint of the whole model is always loaded.
    """

    def __init__(self, output: str | None = None, **segmentor) -> None:
        super().__init__()
        check_mask_head(segmentor['decode_head'])
        segmentor.pop('pretrained', None)
        cascade = isinstance(segmentor['decode_head'], (list, tuple))
        segmentor.setdefault('type', 'CascadeEncoderDecoder' if cascade else 'EncoderDecoder')
        if not cascade:
            segmentor.pop('num_stages', None)
        self.network = MODELS.build(segmentor)
        # The model around it prepares the data.
        del self.network.data_preprocessor
        head = self.last_decode_head
        self.out_channels, self.num_classes = head.out_channels, max(head.num_classes, 2)
        self.align_corners, self.ignore_index = self.network.align_corners, getattr(head, 'ignore_index', VOID)
        self.dropout_ratio = getattr(head, 'dropout_ratio', 0) or 0.
        if getattr(head, 'conv_seg', None) is not None:
            self.features_from = next(name for name, module in self.network.named_modules() if module is head.conv_seg)
        if isinstance(head, MASK_HEADS):
            self.queries_from = next(name for name, module in self.network.named_modules() if module is head)
        self.distribution = _distribution(head, output)
        self.freeze()

    @property
    def last_decode_head(self) -> nn.Module:
        """The decode head whose output is the model's."""
        head = self.network.decode_head
        return head[-1] if isinstance(head, nn.ModuleList) else head

    def scores(self, inputs: Tensor, metas: Sequence[Mapping]) -> Tensor:
        """See :meth:`FrozenBase.scores`."""
        return self.network.encode_decode(inputs, metas)

    def queries_of(self, output: Any) -> tuple[Tensor, Tensor]:
        """Those of the last layer of the decoder; see :meth:`FrozenBase.queries_of`."""
        classes, masks = output
        return classes[-1], masks[-1]

    def at_input_size(self, native: Tensor, size: tuple[int, int], metas: Sequence[Mapping]) -> Tensor:
        """As the decode head does it; see :meth:`FrozenBase.at_input_size`."""
        return self.last_decode_head.predict_by_feat(native, [dict(metas[0], img_shape=size, pad_shape=size)])


def _distribution(head: nn.Module, output: str | None) -> ClassDistribution:
    output = _trained_output(head) if output is None else output
    if (output == 'sigmoid') != (head.out_channels == 1):
        raise ValueError(f'MMSegBase: output={output!r} and {head.out_channels} output channels do not go together; one sigmoid '
                         "channel is 'sigmoid', and only that.")
    threshold = getattr(head, 'threshold', None)
    return class_distribution(output, 0.5 if threshold is None else threshold)


def _trained_output(head: nn.Module) -> str:
    if isinstance(head, MASK_HEADS):
        return 'mask mass'
    if head.out_channels == 1:
        return 'sigmoid'
    losses = getattr(head, 'loss_decode', None)
    losses = losses if isinstance(losses, nn.ModuleList) else [losses]
    return 'sigmoids' if all(getattr(loss, 'use_sigmoid', False) for loss in losses) else 'softmax'


def check_mask_head(config: Mapping | Sequence[Mapping]) -> None:
    """Raise where a decode head is a mask transformer and mmdet, which holds its layers, cannot be imported.

    Args:
        config: Config of a decode head, or of several.

    Raises:
        ImportError: mmdet is missing or does not load.
    """
    last = config if isinstance(config, Mapping) else config[-1]
    kind = MODELS.get(last['type']) if isinstance(last['type'], str) else last['type']
    if kind not in MASK_HEADS:
        return
    try:
        with accepted_mmcv(), python_operators():
            from mmdet.models import dense_heads  # noqa: F401
    except ImportError as error:
        name, requirement = MMDET['OneDL' if 'OneDL' in installed_stacks() else 'OpenMMLab']
        raise ImportError(f'{kind.__name__} is built from layers of {name}, which cannot be imported ({error}). '
                          f'Run `pip install "{requirement}"`.') from error
