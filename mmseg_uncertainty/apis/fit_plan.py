"""The configs of a fit: the base as it is, what is added, and none of the base's own schedule."""
from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config, ConfigDict

from mmseg_uncertainty.runtime.shipped_files import configs_folder

from .config_files import model_of, type_name
from .folder_data import ONE_PASS, class_count, common_batch, folder_dataset, one_pass_pipeline, training_pipeline
from .load_posthoc import PLAIN_SEGMENTORS, POSTHOC_SEGMENTORS
from .recipes import RECIPES, STATISTICS, Recipe, posthoc_config, schedule_config

CALIBRATOR_SHARE = 0.25
# Of the images that a flow learns from where a decision about it is to be made on the others.
TRAINING_SHARE = 0.5
# Most averages of features that a flow is conditioned on.
CONDITION_CHANNELS = 32


@dataclass(frozen=True)
class FitData:
    """What a fit sees.

    Args:
        images: Folder of the images.
        labels: Folder of their labels.
        meta: ``classes`` and ``palette``.
        outliers: Folder of images whose texture is pasted as outliers; ``None`` pastes noise.
        workers: Processes that load images.
        target: Folder of images without labels from where the model will be used.
    """

    images: Path
    labels: Path
    meta: Mapping
    outliers: Path | None = None
    workers: int = 2
    target: Path | None = None


def fit_configs(base: Config,
                recipes: Sequence[Recipe],
                data: FitData,
                iterations: int | None = None,
                calibrator_share: float | str = CALIBRATOR_SHARE,
                alpha: float | None = None) -> list[Config]:
    """Configs of the steps of a fit: what learns by gradient, after its evidence, then what is fitted by statistics of its outputs.

    Args:
        base: Config of the base model; only the model and its test pipeline are read.
        recipes: What to add.
        data: What to fit on.
        iterations: Iterations of what learns by gradient; ``None`` as the schedule says.
        calibrator_share: Share of the images that fit the calibrator alone where sets promise something of the others.
        alpha: Promised risk of the sets; ``None`` as the recipe says.

    Raises:
        ValueError: The base is no segmentor.
    """
    decided = any(recipe.part == 'decisions' for recipe in recipes)
    evidence = [RECIPES[name] for name in dict.fromkeys(name for recipe in recipes for name in recipe.evidence)]
    others = [recipe for recipe in recipes if recipe not in evidence]
    schedules = sorted({recipe.schedule for recipe in others}, key=lambda name: name == STATISTICS)
    groups = [(STATISTICS, evidence)] if evidence else []
    groups += [(schedule, [recipe for recipe in others if recipe.schedule == schedule]) for schedule in schedules]
    steps, done = [], []
    for schedule, added in groups:
        done += added
        first = added is evidence
        config = Config(ConfigDict(copy.deepcopy(runtime_config())))
        # There is nothing to validate or test on; commands that test bring their data.
        config.update({key: value for key, value in schedule_config(schedule, iterations).items()
                       if key not in ('val_cfg', 'test_cfg')})
        config.model = posthoc_model(base, done, alpha)
        config.test_pipeline = one_pass_pipeline(base)
        config.train_dataloader = _loader(base, data, schedule)
        if decided and (first or schedule != STATISTICS):
            config.train_dataloader.dataset.split = dict(part='calibration', by='image', share=TRAINING_SHARE)
        if schedule == STATISTICS and data.target is not None and not first:
            dataset = dict(type='UnlabelledFolderDataset', data_prefix=dict(img_path=str(data.target.resolve())),
                           pipeline=[step for step in one_pass_pipeline(base) if step['type'] != 'LoadLabels'])
            config.train_cfg.target_dataloader = dict(ONE_PASS, num_workers=data.workers, dataset=dataset)
        fitted = [recipe for recipe in added if recipe.part == 'heads' and recipe.schedule == STATISTICS]
        promises = config.model.get('set_head') or config.model.get('decisions')
        read = config.model.get('calibrator') or config.model.get('decisions') and fitted
        if schedule == STATISTICS and read and promises:
            config.train_cfg.calibrator_share = calibrator_share
        steps.append(config)
    return steps


def posthoc_model(base: Config, recipes: Sequence[Recipe], alpha: float | None = None) -> ConfigDict:
    """Model config of the base with scores that need no fitting and with what the recipes add.

    Raises:
        ValueError: The base is no segmentor.
    """
    model = copy.deepcopy(model_of(base))
    kind = type_name(model.get('type'))
    if kind not in (*PLAIN_SEGMENTORS, *POSTHOC_SEGMENTORS):
        raise ValueError(f'{base.filename or "The config"} describes the model {kind!r}, expected PosthocSegmentor or one of '
                         f'{PLAIN_SEGMENTORS}.')
    if kind in PLAIN_SEGMENTORS:
        model.type = 'PosthocSegmentor'
    heads = {**posthoc_config('scores').heads, **(model.get('uncertainty_heads') or {})}
    for recipe in recipes:
        if recipe.part == 'heads':
            heads |= {name: _conditioned(head, base) for name, head in recipe.config().items()}
        elif recipe.part != 'decisions':
            model[recipe.part] = recipe.config()
    if model.get('set_head'):
        model.set_head.setdefault('num_classes', class_count(base))
        if alpha is not None:
            _promise(model.set_head, alpha)
    model.uncertainty_heads = heads
    _decide(model, recipes, alpha)
    return model


def _decide(model: ConfigDict, recipes: Sequence[Recipe], alpha: float | None) -> None:
    """Add decisions, about the score that was added last, else about MSP."""
    added = [name for recipe in recipes if recipe.part == 'heads' for name in recipe.config()]
    changes = {**(dict(head=added[-1]) if added else {}), **({} if alpha is None else dict(alpha=alpha))}
    decisions = {name: {**decision, **changes} for recipe in recipes if recipe.part == 'decisions'
                 for name, decision in recipe.config().items()}
    if decisions:
        model.decisions = {**(model.get('decisions') or {}), **decisions}


def runtime_config() -> dict:
    """What all shipped configs say of the run."""
    return Config.fromfile(configs_folder() / '_base_/default_runtime.py').to_dict()


def _conditioned(head: Mapping, base: Config) -> dict:
    """A flow whose condition averages features in groups of one size, whatever the number of channels of the base."""
    decode_head = base.model.get('decode_head')
    decode_head = decode_head[-1] if isinstance(decode_head, (list, tuple)) else decode_head
    channels = (decode_head or {}).get('channels')
    if not head.get('conditional') or not channels:
        return dict(head)
    return {**head, 'condition_channels': max(count for count in range(1, CONDITION_CHANNELS + 1) if channels % count == 0)}


def _promise(set_head: ConfigDict, alpha: float) -> None:
    if 'risks' in set_head:
        set_head.risks[0].alpha = alpha
    else:
        set_head.alpha = alpha


def _loader(base: Config, data: FitData, schedule: str) -> dict:
    workers = dict(num_workers=data.workers, persistent_workers=data.workers > 0)
    if schedule == STATISTICS:
        dataset = folder_dataset(data.images, data.labels, data.meta, one_pass_pipeline(base))
        return dict(ONE_PASS, **workers, dataset=dataset)
    source = str(data.outliers.resolve()) if data.outliers else None
    pasted = [dict(type='PasteOutliers', source=source)] if data.outliers or schedule == 'fed_outliers' else []
    dataset = folder_dataset(data.images, data.labels, data.meta, training_pipeline(base, pasted))
    return dict(batch_size=common_batch(data.images), **workers, dataset=dataset,
                sampler=dict(type='NumberedInfiniteSampler', shuffle=True))
