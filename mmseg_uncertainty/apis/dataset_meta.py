"""Names and colours of the classes of a model."""
from __future__ import annotations

import colorsys
import inspect
from collections.abc import Iterator, Mapping, Sequence

from mmengine.config import Config
from mmseg.registry import DATASETS

from mmseg_uncertainty.engine.checkpoints import meta_of


def dataset_meta(num_classes: int, checkpoint: Mapping, config: Config, own: Sequence[str] | None = None) -> dict:
    """Names and colours of the classes, from the first source that has all of them.

    Sources are the model itself, the checkpoint, the dataset of the config, and plain numbers. Names of the model get the
    colours of a source that has the same names.

    Args:
        num_classes: Number of classes of the model.
        checkpoint: The checkpoint with its ``meta``.
        config: Config of the model.
        own: Names that the model knows itself.

    Returns:
        ``classes`` (names) and ``palette`` (RGB from 0 to 255), each of length ``num_classes``.
    """
    for meta in [*_sources(checkpoint, config), dict(classes=own)]:
        classes, palette = meta.get('classes'), meta.get('palette')
        if classes and len(classes) == num_classes and (not own or list(classes) == list(own)):
            complete = palette and len(palette) >= num_classes
            palette = list(palette[:num_classes]) if complete else colours(num_classes)
            return dict(classes=list(classes), palette=palette)
    return dict(classes=[f'class {index}' for index in range(num_classes)], palette=colours(num_classes))


def colours(count: int) -> list[list[int]]:
    """Colours that are told apart, RGB from 0 to 255: hues in golden-ratio steps, at three brightnesses."""
    return [[round(255 * part) for part in colorsys.hsv_to_rgb(index * 0.618034 % 1, 0.75, (1, 0.75, 0.5)[index % 3])]
            for index in range(count)]


def _sources(checkpoint: Mapping, config: Config) -> Iterator[Mapping]:
    meta = meta_of(checkpoint)
    yield meta.get('dataset_meta') or {}
    yield dict(classes=meta.get('CLASSES'), palette=meta.get('PALETTE'))
    for loader in ('test_dataloader', 'train_dataloader'):
        dataset = (config.get(loader) or {}).get('dataset') or {}
        yield dataset.get('metainfo') or {}
        dataset_class = dataset.get('type')
        dataset_class = dataset_class if inspect.isclass(dataset_class) else DATASETS.get(str(dataset_class))
        yield getattr(dataset_class, 'METAINFO', {})
