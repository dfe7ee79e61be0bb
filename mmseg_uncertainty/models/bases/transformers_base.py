"""Segmentation networks of transformers as frozen bases."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from mmseg_uncertainty.label_values import VOID

from .layer_names import last_convolution
from .torch_base import TorchBase
from .transformers_files import load_network, read_preparation, task_tokens

DROPOUT_NAMES = ('classifier_dropout_prob', 'semantic_classifier_dropout')
IGNORE_NAMES = ('semantic_loss_ignore_index', 'loss_ignore_index', 'ignore_value')
SEMANTIC = 'ForSemanticSegmentation'
KINDS = (SEMANTIC, 'ForUniversalSegmentation', 'MaskFormerForInstanceSegmentation')
FAMILY_MASK_SIZE = dict(mask2former=(384, 384), eomt='input', eomt_dinov3='input')
"""Where a family's own post-processing resizes masks before it adds them up; others add them up as they are."""


@MODELS.register_module()
class TransformersBase(TorchBase):
    """Hold a network of transformers for semantic segmentation, or for universal segmentation by masks.

    Classes, ignored label, dropout and size are read from its config, normalization from the ``preprocessor_config.json``
    beside it. Mask networks have the mass S of every class as output, added up where the family's own post-processing does,
    so that predictions are its own.

    Args:
        network: The network; or a config of transformers, or a dict of one with ``model_type``, which gets random weights
            until a checkpoint fills it; ``None`` with ``path``.
        path: Folder that ``save_pretrained`` wrote; nothing is ever fetched and no code of the folder is run.
        mask_size: Height and width to which masks are resized before they are added up, ``'input'`` for those of the
            input; by default as the family does.
        task_inputs: Tokens of the task of OneFormer; by default those of "the task is semantic" by the tokenizer in the
            folder.
        options: Arguments of :class:`TorchBase` in place of what is known.

    Raises:
        ImportError: transformers cannot be imported.
        TypeError: What is given is not a network for segmentation.
        ValueError: A folder is incomplete, or tokens of the task are missing.
    """

    def __init__(self,
                 network: nn.Module | Mapping | Any = None,
                 path: str | None = None,
                 mask_size: Sequence[int] | str | None = None,
                 task_inputs: Sequence[int] | None = None,
                 **options) -> None:
        filled = isinstance(network, nn.Module) or path is not None
        network = network if isinstance(network, nn.Module) else load_network(network, path)
        config = network.config
        folder = Path(path or getattr(config, '_name_or_path', None) or '').expanduser()
        folder = folder if folder.name and folder.is_dir() else None
        preparation = read_preparation(folder, config.model_type)
        known = dict(mean=preparation.mean, std=preparation.std, channel_order=preparation.channel_order)
        super().__init__(network, **{**known, **known_options(network), **options})
        self.has_weights = filled or options.get('weights') is not None
        self.preparation = preparation
        self.mask_size = FAMILY_MASK_SIZE.get(config.model_type) if mask_size is None else mask_size
        self._is_checked = self._is_checked or self.masks
        self.queries_from = '' if self.masks else None
        if config.model_type == 'oneformer':
            tokens = task_tokens(folder, config.task_seq_len) if task_inputs is None else task_inputs
            self.register_buffer('task_inputs', torch.tensor([list(tokens)]), persistent=False)
        preparation.tell(type(network).__name__)

    @property
    def masks(self) -> bool:
        """Whether the network predicts masks and their classes."""
        return self.distribution.name == 'mask mass'

    def scores(self, inputs: Tensor, metas: Sequence[Mapping]) -> Tensor:
        """See :meth:`FrozenBase.scores`."""
        if not self.masks:
            return super().scores(inputs, metas)
        output = self.run_network(inputs)
        masks = output.masks_queries_logits
        size = tuple(inputs.shape[2:]) if self.mask_size == 'input' else self.mask_size
        if size is not None:
            masks = F.interpolate(masks, size=tuple(size), mode='bilinear', align_corners=False)
        mass = class_mass(output.class_queries_logits, masks)
        return self.at_input_size(mass, inputs.shape[2:], metas)

    def queries_of(self, output: Any) -> tuple[Tensor, Tensor]:
        """See :meth:`FrozenBase.queries_of`."""
        return output.class_queries_logits, output.masks_queries_logits

    def translated(self, state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """Files of transformers keep the names of older versions; see :meth:`FrozenBase.translated`."""
        if all(key in state for key, _ in self.network.named_parameters()):
            return state
        network, report = type(self.network).from_pretrained(None, config=self.network.config, state_dict=dict(state),
                                                             output_loading_info=True)
        return state if report['missing_keys'] else network.state_dict()

    def run_network(self, inputs: Tensor) -> Any:
        """See :meth:`TorchBase.run_network`.

        Raises:
            ValueError: The network cannot take an input of this size.
        """
        task = dict(task_inputs=self.task_inputs.expand(len(inputs), -1)) if hasattr(self, 'task_inputs') else {}
        try:
            return self.network(inputs, **task)
        except (RuntimeError, ValueError) as error:
            built_for = getattr(self.network.config, 'image_size', None)
            if built_for in (None, inputs.shape[2]) and inputs.shape[2] == inputs.shape[3]:
                raise
            raise ValueError(f'{type(self.network).__name__} does not take inputs of {tuple(inputs.shape[2:])} pixels ({error}); '
                             f'it was built for {built_for}. Resize images to that, or pass them in windows: '
                             f"test_cfg=dict(mode='slide', crop_size=({built_for}, {built_for}), stride=…).") from error


def known_options(network: nn.Module) -> dict[str, Any]:
    """Options of :class:`TorchBase` that the config of a network of transformers tells.

    Raises:
        TypeError: It is no network for segmentation.
    """
    config, name = network.config, type(network).__name__
    if not name.endswith(KINDS):
        raise TypeError(f'TransformersBase: {name} is no network for segmentation; expected one of the classes '
                        f'{" or ".join("…" + kind for kind in KINDS)}.')
    masks = not name.endswith(SEMANTIC)
    features_from = None if masks else last_convolution(network, channels=config.num_labels)
    patch = getattr(config, 'patch_size', getattr(getattr(config, 'backbone_config', None), 'patch_size', 1))
    return dict(
        num_classes=config.num_labels,
        classes=class_names(config),
        output='mask mass' if masks else 'sigmoid' if config.num_labels == 1 else 'softmax',
        logits_from=None if masks else 'logits',
        features_from=features_from,
        # DPT resizes inside, after its classifier.
        align_corners=config.model_type == 'dpt',
        ignore_index=next((getattr(config, key) for key in IGNORE_NAMES if hasattr(config, key)), VOID),
        dropout_ratio=next((getattr(config, key) for key in DROPOUT_NAMES if hasattr(config, key)), None) or 0.,
        # Patches that are not whole are cut off, and the maps would be too.
        size_divisor=patch if isinstance(patch, int) else 1)


def class_names(config: Any) -> list[str] | None:
    """Names of the classes in a config of transformers, ``None`` where it has but numbers."""
    names = [str(config.id2label[index]) for index in sorted(config.id2label)]
    if all(name == f'LABEL_{index}' for index, name in enumerate(names)):
        return None
    return ['background', *names] if len(names) == 1 else names


def class_mass(classes: Tensor, masks: Tensor) -> Tensor:
    r"""Mass of every class, :math:`S_k = \sum_q \mathrm{softmax}(c_q)_k\,\sigma(m_q)`, without the last one ("no object").

    Args:
        classes: Class logits of the queries, shape (N, Q, K + 1).
        masks: Mask logits of the queries, shape (N, Q, h, w).

    Returns:
        Shape (N, K, h, w), from 0 to Q.
    """
    return torch.einsum('nqk,nqhw->nkhw', classes.softmax(dim=-1)[..., :-1], masks.sigmoid())
