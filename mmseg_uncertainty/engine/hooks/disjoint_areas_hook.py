"""Stops runs that would measure a model where it was trained."""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import DATASETS, HOOKS

from mmseg_uncertainty.datasets import S3DIS2DDataset
from mmseg_uncertainty.datasets.s3dis_2d_dataset import area_names


@HOOKS.register_module()
class DisjointAreasHook(Hook):
    """Refuse to run where areas of Stanford 2D-3D-S both train and evaluate.

    Images of one area show the same rooms, so such a run would report memory as generalization. Two parts of one area that
    ``split`` keeps apart may calibrate and test.
    """

    def before_run(self, runner: Runner) -> None:
        """Compare the areas of the training data with those of validation and test.

        Raises:
            ValueError: An area serves both.
        """
        check_disjoint_areas(runner.cfg)


def check_disjoint_areas(config: Config | Mapping) -> None:
    """Compare the areas that a config trains on with those it validates or tests on.

    Args:
        config: Config with ``train_dataloader`` and ``val_dataloader`` or ``test_dataloader``; any may be missing.

    Raises:
        ValueError: An area serves both.
    """
    trained = list(_areas_of(config.get('train_dataloader')))
    for name in ('val_dataloader', 'test_dataloader'):
        shared = sorted({area for area, part in _areas_of(config.get(name)) for other, other_part in trained
                         if area == other and not (part and other_part and part != other_part)})
        if shared:
            raise ValueError(f'{name} and train_dataloader share the areas {shared}: the same rooms would train and '
                             'evaluate. Change `areas` of one dataset, say to the presets lab_train and lab_test.')


def _areas_of(config: Any) -> Iterator[tuple[str, str]]:
    if isinstance(config, Mapping):
        kind = config.get('type')
        kind = DATASETS.get(kind) if isinstance(kind, str) else kind
        if isinstance(kind, type) and issubclass(kind, S3DIS2DDataset):
            part = (config.get('split') or {}).get('part', '')
            yield from ((area, part) for area in area_names(config.get('areas', 'all')))
        for value in config.values():
            yield from _areas_of(value)
    elif isinstance(config, Sequence) and not isinstance(config, str):
        for value in config:
            yield from _areas_of(value)
