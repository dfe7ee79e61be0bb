"""What ``fit`` can add to a model, each with the schedule it is fitted by."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mmengine.config import Config

from mmseg_uncertainty.runtime.near_names import did_you_mean
from mmseg_uncertainty.runtime.shipped_files import configs_folder

STATISTICS = 'calibration'
DETECTORS = ('kl_matching', 'mahalanobis_pp', 'relative_mahalanobis', 'react', 'fdbd', 'residual', 'neco', 'pnml')


@dataclass(frozen=True)
class Recipe:
    """Something to add.

    Args:
        file: Name of its config in ``_base_/posthoc``.
        part: What it is: ``'calibrator'``, ``'set_head'``, ``'heads'`` or ``'decisions'``.
        heads: Which heads or decisions of the config.
        schedule: Name of its schedule in ``_base_/schedules``; :data:`STATISTICS` fits by statistics, the others by gradient.
        evidence: Names of recipes of heads that are fitted before, since their scores are inputs of this one.
    """

    file: str
    part: str = 'heads'
    heads: tuple[str, ...] = ()
    schedule: str = STATISTICS
    evidence: tuple[str, ...] = ()

    def config(self) -> dict:
        """Config of the calibrator or the set head, or configs of the heads by name."""
        config = posthoc_config(self.file)[self.part]
        return {name: config[name] for name in self.heads} if self.heads else config


RECIPES = dict(
    temperature=Recipe('temperature', 'calibrator'),
    clustered=Recipe('clustered_temperature', 'calibrator'),
    local=Recipe('local_temperature', 'calibrator'),
    vector=Recipe('vector_scaling', 'calibrator'),
    matrix=Recipe('matrix_scaling', 'calibrator'),
    ensemble_temperature=Recipe('ensemble_temperature', 'calibrator'),
    order_preserving=Recipe('order_preserving', 'calibrator'),
    selective=Recipe('selective_scaling', 'calibrator'),
    spline=Recipe('spline', 'calibrator'),
    crc=Recipe('crc', 'set_head'),
    kandinsky=Recipe('kandinsky', 'set_head'),
    weighted=Recipe('weighted', 'set_head'),
    adaptive=Recipe('adaptive', 'set_head'),
    margins=Recipe('margins', 'set_head'),
    **{name: Recipe('decisions', 'decisions', (name, ))
       for name in ('false_alarms', 'misses', 'frame_alarms', 'selective_risk', 'precision')},
    fedu=Recipe('fedu', heads=('fedu', ), schedule='fed'),
    fedu_full=Recipe('fedu_full', heads=('fedu_full', ), schedule='fed'),
    fedc=Recipe('fedc', heads=('fedc', ), schedule='fed'),
    fed=Recipe('fed', heads=('fedu', 'fedc'), schedule='fed'),
    fed_evidence=Recipe('fed_evidence', heads=('fed_evidence', ), schedule='fed', evidence=('knn', 'mahalanobis_pp')),
    outliers=Recipe('fed_outliers', heads=('fedc_outliers', ), schedule='fed_outliers'),
    outliers_evidence=Recipe('fed_outliers_evidence', heads=('fed_outliers_evidence', ), schedule='fed_outliers',
                             evidence=('knn', 'mahalanobis_pp', 'react', 'fdbd', 'residual')),
    mahalanobis=Recipe('baselines', heads=('mahalanobis', )),
    vim=Recipe('baselines', heads=('vim', )),
    knn=Recipe('nearest_neighbors', heads=('knn', )),
    **{name: Recipe('detectors', heads=(name, )) for name in DETECTORS},
    detectors=Recipe('detectors', heads=('gen', 'scale', *DETECTORS)),
    knn_energy=Recipe('combined', heads=('knn', 'energy', 'knn_energy')),
    sml=Recipe('baselines', heads=('standardized_max_logit', )),
    baselines=Recipe('baselines', heads=('standardized_max_logit', 'mc_dropout', 'mahalanobis', 'vim')))


def chosen_recipes(names: Sequence[str]) -> list[Recipe]:
    """Recipes by name.

    Raises:
        ValueError: A name is unknown, or recipes exclude each other.
    """
    for name in names:
        if name not in RECIPES:
            raise ValueError(f'--add {name}: unknown.{did_you_mean(name, RECIPES)} Choose from {", ".join(RECIPES)}.')
    recipes = [RECIPES[name] for name in dict.fromkeys(names)]
    for part, what in (('calibrator', 'calibrators'), ('set_head', 'kinds of prediction sets')):
        several = [name for name in names if RECIPES[name].part == part]
        if len(several) > 1:
            raise ValueError(f'--add {" ".join(several)}: a model has one of these {what}; choose one.')
    schedules = {recipe.schedule for recipe in recipes} - {STATISTICS}
    if len(schedules) > 1:
        raise ValueError(f'--add {" ".join(names)}: flows for mistakes and for outliers have schedules of their own. Fit the one, '
                         'then add the other to the config and checkpoint that this wrote.')
    return recipes


def check_target(names: Sequence[str], target: object) -> None:
    """Raise ``ValueError`` where what is added follows target images and there are none, or the other way round."""
    follows = 'weighted' in names
    if follows and target is None:
        raise ValueError('--add weighted: these sets follow images from where the model will be used. Name their folder with '
                         '--target DIR; they need no labels.')
    if target is not None and not follows:
        raise ValueError(f'--target {target}: nothing that is added reads target images; add weighted, or leave the option out.')


def posthoc_config(name: str) -> Config:
    """A config of ``_base_/posthoc``."""
    return Config.fromfile(configs_folder() / f'_base_/posthoc/{name}.py')


def schedule_config(name: str, iterations: int | None = None) -> Config:
    """A config of ``_base_/schedules``, with as many iterations as asked for and its warm-up in proportion."""
    schedule = Config.fromfile(configs_folder() / f'_base_/schedules/{name}.py')
    if iterations is None or name == STATISTICS:
        return schedule
    planned = schedule.train_cfg.max_iters
    schedule.train_cfg.update(max_iters=iterations, val_begin=iterations + 1)
    for step in schedule.param_scheduler:
        step.update(begin=step.begin * iterations // planned, end=max(step.end * iterations // planned, 1))
    schedule.param_scheduler = [step for step in schedule.param_scheduler if step.end > step.begin]
    schedule.default_hooks.checkpoint.interval = min(schedule.default_hooks.checkpoint.interval, iterations)
    return schedule
