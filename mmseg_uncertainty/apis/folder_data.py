"""Dataloaders of own folders, prepared as the base model expects its images."""
from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmengine.config import Config
from mmseg.registry import MODELS

from mmseg_uncertainty.runtime.dataset_error import DatasetError
from mmseg_uncertainty.runtime.image_headers import header_size

from .config_errors import ConfigError
from .config_files import model_of, type_name
from .dataset_meta import dataset_meta
from .run_config import test_pipeline

LOADING = ('LoadImageFromFile', 'RenderToyRoads')
LABELS = ('LoadAnnotations', 'LoadOneDLAnnotations', 'LoadLabels', 'LoadBravoLabels', 'SeedAugmentations', 'KeepRegion',
          'LoadDistances')
PACKING = 'PackSegInputs'
ONE_PASS = dict(batch_size=1, sampler=dict(type='DefaultSampler', shuffle=False, round_up=False))
MOST_IN_A_BATCH = 4


def image_steps(config: Config) -> list[dict]:
    """What the test pipeline of a config does with an image between loading and packing."""
    return [dict(step) for step in test_pipeline(config) or () if type_name(step['type']) not in (*LOADING, *LABELS, PACKING)]


def one_pass_pipeline(config: Config) -> list[dict]:
    """Load, prepare as for a test, and take labels as they are; results are compared with labels at their own size."""
    return [dict(type='LoadImageFromFile'), *image_steps(config), dict(type='LoadLabels'), dict(type=PACKING)]


def training_pipeline(config: Config, pasted: Sequence[dict] = ()) -> list[dict]:
    """Images as the model meets them and mirrored, with labels of their size.

    Args:
        config: Config of the base; models that slide a window over images are fitted on windows.
        pasted: Steps that paste outliers.
    """
    test_cfg = config.model.get('test_cfg') or {}
    crop = [dict(type='RandomCrop', crop_size=tuple(test_cfg['crop_size']))] if test_cfg.get('mode') == 'slide' else []
    return [dict(type='SeedAugmentations', views=2), dict(type='LoadImageFromFile'), dict(type='LoadLabels'),
            *image_steps(config), *crop, dict(type='RandomFlip', prob=0.5), *pasted, dict(type=PACKING)]


def folder_dataset(images: str | Path, labels: str | Path, meta: Mapping, pipeline: Sequence[dict]) -> dict:
    """Config of a :class:`~mmseg_uncertainty.datasets.FolderDataset`; ``meta`` holds ``classes`` and ``palette``."""
    return dict(type='FolderDataset', pipeline=list(pipeline), metainfo=dict(meta),
                data_prefix=dict(img_path=str(Path(images).resolve()), seg_map_path=str(Path(labels).resolve())))


def check_folders(**folders: str | Path | None) -> None:
    """Check that there are folders, by the options that name them; ``None`` where one was not given.

    Raises:
        DatasetError: One is missing or a file.
    """
    for option, folder in folders.items():
        if folder is not None and not Path(folder).expanduser().is_dir():
            state = 'is a file' if Path(folder).is_file() else 'does not exist'
            raise DatasetError(f'--{option} {folder} {state}, expected a folder. Check the path.')


def class_meta(config: Config, checkpoint: Mapping, classes: str | Path | None) -> dict:
    """Names and colours of the classes of a model.

    Args:
        config: Config of the model.
        checkpoint: Its checkpoint, which may name the classes.
        classes: File of their names, one a line, or a list in JSON; ``None`` takes the names that checkpoint or config know.

    Raises:
        ValueError: The file names another number of classes.
    """
    count = class_count(config)
    if classes is None:
        return dataset_meta(count, checkpoint, config)
    text = Path(classes).read_text(encoding='utf-8')
    names = json.loads(text) if Path(classes).suffix == '.json' else [line.strip() for line in text.splitlines() if line.strip()]
    if len(names) != count:
        raise ValueError(f'--classes {classes} names {len(names)} classes ({", ".join(map(str, names[:5]))}, …), and the model has '
                         f'{count}. Name each class of the model in the order of its indices.')
    return dataset_meta(count, dict(meta=dict(dataset_meta=dict(classes=names))), config)


def class_count(config: Config) -> int:
    """Number of classes of the model of a config, 2 for one sigmoid channel."""
    model = model_of(config)
    head = model.get('decode_head')
    head = head[-1] if isinstance(head, (list, tuple)) else head
    source = head or model.get('base') or {}
    count = source.get('num_classes') or len(source.get('classes') or ())
    if not isinstance(count, int) or count < 0:
        raise ConfigError(f'{config.get("filename") or "The config"} has num_classes={count!r}, expected how many classes the model '
                          'has, such as 19.')
    return max(count, 2) if count else MODELS.build(model).num_classes


def common_batch(images: str | Path) -> int:
    """Images in a training batch: a few where all have one size, else one."""
    files = [path for path in Path(images).rglob('*') if path.is_file()]
    sizes = {header_size(path.read_bytes()) for path in files} - {None}
    return min(MOST_IN_A_BATCH, len(files)) if len(sizes) == 1 else 1
