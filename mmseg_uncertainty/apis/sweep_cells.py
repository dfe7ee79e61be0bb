"""Measures the cells of a sweep; each is kept in a file of its own as soon as it is done."""
from __future__ import annotations

import copy
import hashlib
import json
import traceback
from collections.abc import Iterator, Mapping
from functools import lru_cache
from pathlib import Path

import torch
from mmengine.config import Config, ConfigDict
from mmengine.dist import barrier, get_world_size, is_main_process
from mmengine.evaluator import Evaluator
from mmengine.runner import Runner
from mmseg.registry import DATASETS, METRICS, MODELS

from mmseg_uncertainty.engine.bare_model import bare_model
from mmseg_uncertainty import __version__
from mmseg_uncertainty.caching import LastPass
from mmseg_uncertainty.datasets.scene_overlap import dataset_contents, refuse_overlap
from mmseg_uncertainty.engine.checkpoints import (CheckpointError, base_fingerprint, check_filled, meta_of,
                                                  read_checkpoint, state_dict_of)
from mmseg_uncertainty.engine.hooks.matching_data_hook import class_names
from mmseg_uncertainty.engine.matching_data import check_batch, check_classes
from mmseg_uncertainty.engine.weight_files import sha256
from mmseg_uncertainty.evaluation import evaluator_config
from mmseg_uncertainty.models.calibrators import Calibrator
from mmseg_uncertainty.models.segmentors import PosthocSegmentor
from mmseg_uncertainty.runtime.command_line import message_of
from mmseg_uncertainty.runtime.json_files import write_json
from mmseg_uncertainty.runtime.shipped_files import DATASETS as DATASET_FOLDER
from mmseg_uncertainty.runtime.shipped_files import configs_folder

from .config_errors import explained
from .config_files import load_config, model_of
from .data_identity import data_identity
from .distributed import launch
from .results_file import OWN_WEIGHTS, versions
from .run_config import add_hooks, corrupt_test_images, use_dataset
from .sweep_plan import CLEAN, NO_CALIBRATOR, Cell, FittedCalibrator, SweepPlan

DATASET_CONFIGS = configs_folder() / DATASET_FOLDER
FAILED, RUNNING = '.failed', '.running'
NOTHING = dict(family=None, images=[], scenes=[])


def cell_config(plan: SweepPlan, cell: Cell) -> Config:
    """Config of the model with the data and the heads of one cell.

    Raises:
        ValueError: The dataset or a head is unknown.
    """
    config = read_config(plan.models[cell.model].config)
    model_of(config)
    entry = plan.datasets[cell.dataset]
    name = entry.dataset or cell.dataset
    path = Path(name) if name.endswith('.py') else DATASET_CONFIGS / f'{name}.py'
    if not path.is_file():
        raise ValueError(f'datasets.{cell.dataset}: there is no config {path}; name one of {DATASET_CONFIGS} or give a path.')
    use_dataset(config, read_config(str(path)), entry.data_root)
    config.test_dataloader.dataset.update(entry.options)
    config.test_dataloader.persistent_workers = False
    if cell.corruption != CLEAN:
        corrupt_test_images(config, cell.corruption, cell.severity)
    if plan.heads is not None:
        heads = config.model.get('uncertainty_heads') or {}
        absent = sorted(set(plan.heads) - set(heads))
        if absent:
            raise ValueError(f'models.{cell.model}: its config has no heads {absent}; it has {sorted(heads)}.')
        config.model.uncertainty_heads = ConfigDict({name: heads[name] for name in plan.heads})
    return config


def signature(plan: SweepPlan, cell: Cell) -> str:
    """Hash of everything but the data that decides the numbers of a cell, wherever its files lie."""
    config, entry = cell_config(plan, cell).to_dict(), plan.models[cell.model]
    loader = config['test_dataloader']
    loader['dataset'].pop('data_root', None)
    files = dict(base=entry.checkpoint) | {name: part.checkpoint for name, part in entry.calibrators.items()}
    own = config['model'].get('base') or {}
    files |= {f'base.{key}': own.get(key) for key in ('weights', 'path')}
    files = {name: Path(path).expanduser() for name, path in files.items() if path}
    decisive = dict(
        model=config['model'], data={key: loader[key] for key in ('dataset', 'batch_size')}, version=__version__,
        every=plan.datasets[cell.dataset].every, evaluators=list(plan.evaluators),
        files={name: file_hash(path, path.stat().st_mtime_ns) for name, path in files.items()})
    return hashlib.sha256(json.dumps(decisive, sort_keys=True, default=str).encode()).hexdigest()


@lru_cache
def file_hash(path: Path, changed: int) -> str:
    """Hash of a file, read again once it has changed."""
    return sha256(path)


def cell_data(plan: SweepPlan, cell: Cell) -> str:
    """Identity of the data of a cell; see :func:`~mmseg_uncertainty.apis.data_identity.data_identity`."""
    return data_identity(cell_config(plan, cell).to_dict()['test_dataloader']['dataset'], plan.datasets[cell.dataset].every)


def read_config(path: str) -> Config:
    """A config to change at will; its file is read once."""
    return copy.deepcopy(_read_once(path))


@lru_cache
def _read_once(path: str) -> Config:
    return load_config(path)


def is_done(plan: SweepPlan, cell: Cell, work_dir: Path, need_data: bool = True) -> bool:
    """Whether a cell was measured exactly as the plan says now, on the same data.

    Args:
        plan: The sweep.
        cell: The cell.
        work_dir: Folder of the sweep.
        need_data: Whether a cell whose data is not here counts as missing; tables can be written without.
    """
    path = cell.path(work_dir)
    if not path.is_file():
        return False
    try:
        results = json.loads(path.read_text(encoding='utf-8'))
        if results.get('signature') != signature(plan, cell):
            return False
    except (OSError, ValueError, KeyError):
        # What the plan names cannot be read; measuring the cell reports why.
        return False
    try:
        return results.get('data') == cell_data(plan, cell)
    except (OSError, ValueError):
        return not need_data


def note(cell: Cell, work_dir: Path, suffix: str) -> Path:
    """File beside that of the results which says that a cell failed or is running."""
    path = cell.path(work_dir)
    return path.with_name(path.stem + suffix)


def record_failure(cell: Cell, work_dir: Path, reason: str, details: str = '') -> None:
    """Keep why a cell failed, so that the others go on and the report names it."""
    write_json(note(cell, work_dir, FAILED), dict(cell=str(cell), reason=reason, details=details))
    note(cell, work_dir, RUNNING).unlink(missing_ok=True)


def measure_group(plan: SweepPlan, model: str, dataset: str, work_dir: Path, launcher: str = 'none') -> None:
    """Measure what is missing of one model on one dataset, in this process.

    A cell that fails is recorded, and the next one begins. With several processes it ends all of them instead, because
    the others would wait for it; see :class:`~mmseg_uncertainty.apis.sweep_jobs.GroupJob`.
    """
    group = None
    for cell in plan.cells(model, dataset):
        if note(cell, work_dir, FAILED).is_file() or is_done(plan, cell, work_dir):
            continue
        if is_main_process():
            marker = note(cell, work_dir, RUNNING)
            marker.parent.mkdir(parents=True, exist_ok=True)
            marker.touch()
        try:
            group = group or CellGroup(plan, cell, work_dir, launcher)
            results = group.measure(cell)
        except Exception as error:
            told = explained(error)
            record_failure(cell, work_dir, f'{type(told).__name__}: {message_of(told)}', traceback.format_exc())
            if get_world_size() > 1:
                raise
            continue
        if is_main_process():
            write_json(cell.path(work_dir), results)
            note(cell, work_dir, RUNNING).unlink(missing_ok=True)
        barrier()


class CellGroup:
    """One model with its calibrators, loaded once, and the cells it is measured on.

    Args:
        plan: The sweep.
        cell: A cell of the group.
        work_dir: Folder of the sweep.
        launcher: See :func:`~mmseg_uncertainty.apis.launch`.
    """

    def __init__(self, plan: SweepPlan, cell: Cell, work_dir: Path, launcher: str) -> None:
        self.plan, self.entry = plan, plan.models[cell.model]
        config = cell_config(plan, cell)
        add_hooks(config, need_heads=True, allow_overlap=plan.allow_overlap)
        launch(config, launcher, trains=False)
        config.load_from, config.work_dir = self.entry.checkpoint, str(work_dir / 'logs' / cell.model / cell.dataset)
        config.test_evaluator, config.test_cfg = [], dict(type='TestLoop')
        config.train_dataloader = config.train_cfg = config.optim_wrapper = None
        config.val_dataloader = config.val_cfg = config.val_evaluator = config.param_scheduler = None
        content = read_checkpoint(config.load_from) if config.load_from else {}
        self.runner = Runner.from_cfg(config)
        self.runner.load_or_resume()
        self.model: PosthocSegmentor = bare_model(self.runner)
        if not config.load_from:
            check_filled(self.model, self.entry.config, need_heads=True)
        self.model.eval()
        self.model.cache = LastPass()
        self.calibrators, self.fitted_on = self._load_calibrators(content)

    def _load_calibrators(self, checkpoint: Mapping) -> tuple[dict[str, Calibrator | None], dict[str, dict]]:
        meta, self.names = meta_of(checkpoint), class_names(checkpoint)
        loaded = {NO_CALIBRATOR: self.model.calibrator}
        fitted_on = {NO_CALIBRATOR: (meta.get('fitted_on') or {}).get('calibration', NOTHING)}
        for name, part in self.entry.calibrators.items():
            loaded[name], fitted_on[name] = load_calibrator(part, self.model)
        # The first pass of a batch must yield the features that a later one asks for.
        in_order = sorted(loaded, key=lambda name: not getattr(loaded[name], 'needs_features', False))
        return {name: loaded[name] for name in in_order}, fitted_on

    def measure(self, cell: Cell) -> dict:
        """Results of one cell with their provenance, metrics by calibrator."""
        loader = self._dataloader(cell)
        check_classes(self.model, loader.dataset.metainfo, f'datasets.{cell.dataset}', self.names)
        contents = dataset_contents(loader.dataset)
        for name, fitted in self.fitted_on.items():
            if not self.plan.allow_overlap:
                refuse_overlap(fitted, contents, name)
        evaluators = {name: self._evaluator(loader.dataset.metainfo) for name in self.calibrators}
        for name, data, samples in self._predictions(loader):
            evaluators[name].process(data_samples=samples, data_batch=data)
        metrics = {name: evaluator.evaluate(len(loader.dataset)) for name, evaluator in evaluators.items()}
        parts = {name: [metric.provenance for metric in evaluator.metrics] for name, evaluator in evaluators.items()}
        return dict(
            cell=vars(cell),
            signature=signature(self.plan, cell),
            data=cell_data(self.plan, cell),
            metrics={name: metrics[name] for name in sorted(metrics)},
            evaluators=parts,
            images=len(loader.dataset),
            config=self.entry.config,
            checkpoint=Path(self.entry.checkpoint).name if self.entry.checkpoint else OWN_WEIGHTS,
            calibrators={name: Path(part.checkpoint).name for name, part in self.entry.calibrators.items()},
            versions=versions())

    @torch.no_grad()
    def _predictions(self, loader) -> Iterator[tuple[str, dict, list]]:
        for batch in loader:
            check_batch(self.model, batch)
            data = self.model.data_preprocessor(batch, False)
            self.model.cache.forget()
            for name, calibrator in self.calibrators.items():
                self.model.calibrator = calibrator
                samples = [sample.new() for sample in data['data_samples']]
                yield name, data, self.model.predict(data['inputs'], samples)
        self.model.calibrator = self.calibrators[NO_CALIBRATOR]

    def _dataloader(self, cell: Cell):
        options = cell_config(self.plan, cell).test_dataloader.to_dict()
        every, dataset = self.plan.datasets[cell.dataset].every, DATASETS.build(options.pop('dataset'))
        if every > 1:
            dataset.get_subset_(list(range(0, len(dataset), every)))
        return Runner.build_dataloader(dict(options, dataset=dataset), seed=self.runner.seed)

    def _evaluator(self, metainfo: Mapping) -> Evaluator:
        metrics = [METRICS.build(evaluator_config(name, **_image_scores(name))) for name in self.plan.evaluators]
        evaluator = Evaluator(metrics)
        evaluator.dataset_meta = metainfo
        return evaluator


def _image_scores(name: str) -> dict:
    """Cells keep the scores of their images; the tables compare them with those of the reference."""
    return dict(keep_scores=True) if name == 'OOD-image' else {}


def load_calibrator(part: FittedCalibrator, model: PosthocSegmentor) -> tuple[Calibrator, dict]:
    """Build a calibrator for a model and fill it.

    Returns:
        The calibrator and what it was fitted on; see :func:`~mmseg_uncertainty.datasets.scene_overlap.dataset_contents`.

    Raises:
        CheckpointError: It was fitted on another base model, or is not fitted.
        ValueError: Its config has no calibrator.
    """
    config = model_of(load_config(part.config)).get('calibrator')
    if config is None:
        raise ValueError(f'{part.config} has no calibrator.')
    checkpoint = read_checkpoint(part.checkpoint)
    state = state_dict_of(checkpoint)
    if base_fingerprint(state) != base_fingerprint(model.state_dict()):
        raise CheckpointError(f'{part.checkpoint} was fitted on another base model. Fit the calibrator again on this one.')
    calibrator = MODELS.build(dict(num_classes=model.num_classes) | config.to_dict())
    calibrator.bind(model)
    own = {key.removeprefix('calibrator.'): value for key, value in state.items() if key.startswith('calibrator.')}
    calibrator.load_state_dict(own, strict=True)
    if not calibrator.is_fitted():
        raise CheckpointError(f'{part.checkpoint} holds a calibrator that was never fitted; fit it with tools/train.py.')
    device = next(model.parameters()).device
    return calibrator.to(device).eval(), (meta_of(checkpoint).get('fitted_on') or {}).get('calibration', NOTHING)
