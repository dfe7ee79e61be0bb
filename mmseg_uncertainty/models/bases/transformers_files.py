"""Reads what transformers keeps in a folder: the network, how images are prepared, and tokens."""
from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.logging import print_log
from torch import nn

from .libraries import library

PREPARATION_FILES = ('preprocessor_config.json', 'processor_config.json')
TASK = 'the task is semantic'
IMAGENET = dict(image_mean=[0.485, 0.456, 0.406], image_std=[0.229, 0.224, 0.225])
STANDARD = dict(image_mean=[0.5] * 3, image_std=[0.5] * 3)
STEPS = dict(do_resize=True, do_rescale=True, do_normalize=True, do_flip_channel_order=False, do_reduce_labels=False)
FAMILY_PREPARATIONS = {
    'beit': STANDARD, 'data2vec-vision': STANDARD, 'dpt': STANDARD, 'mobilenet_v2': STANDARD,
    'mobilevit': dict(do_normalize=False, do_flip_channel_order=True),
    'mobilevitv2': dict(do_normalize=False, do_flip_channel_order=True)}
"""Defaults of the image processor of a family; all others normalize as ImageNet's images."""


@dataclass(frozen=True)
class ImagePreparation:
    """How images become inputs.

    Args:
        mean: Mean of the pixels from 0 to 255.
        std: Their standard deviation.
        channel_order: ``'rgb'`` or ``'bgr'``.
        size: What images are resized to, as the file says it, ``None`` where they are not resized.
        reduces_labels: Whether label 0 is ignored and all others move down by one.
        source: The file it was read from, ``None`` for the defaults of the family.
    """

    mean: list[float]
    std: list[float]
    channel_order: str = 'rgb'
    size: Mapping[str, int] | None = None
    reduces_labels: bool = False
    source: Path | None = None

    @classmethod
    def of(cls, settings: Mapping[str, Any], family: str = '', source: Path | None = None) -> ImagePreparation:
        """Read the settings of an image processor; what they do not name is as the family has it."""
        own = {**STEPS, **IMAGENET, **FAMILY_PREPARATIONS.get(family, {})}
        settings = {**own, **settings}
        scale = 1 / (settings.get('rescale_factor') or 1 / 255) if settings['do_rescale'] else 1.
        mean, std = (_channels(settings[key] or own[key]) for key in ('image_mean', 'image_std'))
        if not settings['do_normalize']:
            mean, std = [0.] * 3, [1.] * 3
        size = settings.get('size') if settings['do_resize'] else None
        return cls([scale * value for value in mean], [scale * value for value in std],
                   'bgr' if settings['do_flip_channel_order'] else 'rgb',
                   {'shortest_edge': size} if isinstance(size, int) else size,
                   bool(settings['do_reduce_labels'] or settings.get('reduce_labels')), source)

    def tell(self, name: str) -> None:
        """Log what a config has to take care of."""
        if self.source is None:
            print_log(f'{name}: no {PREPARATION_FILES[0]} beside the network, so images are normalized by the default of '
                      f'the family, mean {self.mean}, std {self.std}. Say mean and std where it was trained otherwise.',
                      'current')
        if self.size is not None:
            print_log(f'{name}: {self.source} resizes images to {dict(self.size)}. Put a Resize step into the test pipeline to '
                      'do the same; without one, images pass at their own size.', 'current')
        if self.reduces_labels:
            print_log(f'{name}: {self.source} has do_reduce_labels, so the network knows no class 0 of the label files. Set '
                      'reduce_zero_label=True of the dataset.', 'current', 30)


def _channels(value: float | list[float]) -> list[float]:
    return list(value) if isinstance(value, (list, tuple)) else [value] * 3


def read_preparation(folder: Path | None, family: str) -> ImagePreparation:
    """How images are prepared: by the files in a folder, or as the family does by default."""
    for name in PREPARATION_FILES if folder is not None else ():
        if (folder / name).is_file():
            settings = json.loads((folder / name).read_text(encoding='utf-8'))
            settings = settings.get('image_processor', settings)
            if 'image_mean' in settings or 'do_normalize' in settings:
                return ImagePreparation.of(settings, family, folder / name)
    return ImagePreparation.of({}, family)


def load_network(config: Mapping | Any, path: str | None) -> nn.Module:
    """A network of a folder, or one of random weights from a config.

    Raises:
        ImportError: transformers cannot be imported.
        TypeError: The config is not that of a network for segmentation.
        ValueError: The folder is missing, or does not hold all weights of the network.
    """
    transformers = library('transformers')
    folder = None if path is None else Path(path).expanduser()
    if folder is not None and not (folder / 'config.json').is_file():
        raise ValueError(f'TransformersBase: {folder} has no config.json. Give the folder that save_pretrained wrote, or a '
                         'clone of the repository of the model; nothing is fetched here.')
    if folder is not None and config is None:
        config = transformers.AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    if isinstance(config, Mapping):
        rest = dict(config)
        config = transformers.AutoConfig.for_model(rest.pop('model_type'), **rest)
    if config is None:
        raise TypeError('TransformersBase: give a network, a config or path.')
    if getattr(config, 'use_auxiliary_head', False):
        # Its output is for training alone.
        config.use_auxiliary_head = False
    kinds = (transformers.AutoModelForSemanticSegmentation, transformers.AutoModelForUniversalSegmentation)
    kind = next((kind for kind in kinds if type(config) in kind._model_mapping), None)
    if kind is None:
        raise TypeError(f'TransformersBase: transformers has no network for semantic segmentation of the family '
                        f'{config.model_type!r}.')
    return kind.from_config(config) if folder is None else _filled(kind, config, folder)


def _filled(kind: type, config: Any, folder: Path) -> nn.Module:
    network, report = kind.from_pretrained(folder, config=config, local_files_only=True, trust_remote_code=False,
                                           weights_only=True, output_loading_info=True)
    absent = sorted(report['missing_keys']) + sorted(str(key) for key in report.get('mismatched_keys', ()))
    if absent:
        raise ValueError(f'TransformersBase: {folder} does not hold {len(absent)} tensors of {type(network).__name__}, such '
                         f'as {absent[0]}. Give the folder of a network that was trained for segmentation.')
    return network


def task_tokens(folder: Path | None, length: int) -> list[int]:
    """Tokens of OneFormer's semantic task, by the tokenizer in a folder.

    Raises:
        ValueError: There is no tokenizer.
    """
    if folder is None or not (folder / 'tokenizer_config.json').is_file():
        raise ValueError(f'TransformersBase: OneFormer reads its task as tokens, and there is no tokenizer in {folder}. '
                         'Give the folder of its processor as path, or task_inputs.')
    tokenizer = library('transformers').AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    return tokenizer(TASK, padding='max_length', truncation=True, max_length=length)['input_ids']
