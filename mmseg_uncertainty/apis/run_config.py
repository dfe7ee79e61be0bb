"""Changes that the command-line tools make to a config."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from mmengine.config import Config
from mmengine.runner import Runner

from mmseg_uncertainty.datasets import Corruptions
from mmseg_uncertainty.evaluation import evaluator_config

from .config_files import model_of, type_name

LOADERS = ('LoadImageFromFile', 'RenderToyRoads')
LABEL_LOADERS = ('LoadLabels', 'LoadAnnotations', 'LoadOneDLAnnotations', 'LoadBravoLabels', 'LoadInstanceColors', 'RenderToyRoads')


def data_of(config: Config, part: str) -> Config:
    """Config of the dataset of a dataloader.

    Args:
        config: Config of a run.
        part: ``'train'``, ``'val'`` or ``'test'``.

    Raises:
        ValueError: There is none.
    """
    loader = config.get(f'{part}_dataloader')
    dataset = loader.get('dataset') if isinstance(loader, Mapping) else None
    if not isinstance(dataset, Mapping) or not dataset:
        raise ValueError(f'{config.filename or "The config"} has no {part}_dataloader with a dataset. Add one, '
                         'for example with a file of local_configs/_base_/datasets in _base_.')
    return dataset


def log_of(runner: Runner) -> Path:
    """The log file of a run."""
    return Path(runner._log_dir) / f'{runner.timestamp}.log'


def test_pipeline(config: Config) -> Sequence[dict] | None:
    """Steps of the test pipeline of a config, ``None`` if it has none."""
    dataset = (config.get('test_dataloader') or {}).get('dataset') or {}
    return dataset.get('pipeline') or config.get('test_pipeline')


def use_dataset(config: Config, dataset: Config, data_root: str | None = None) -> None:
    """Test on another dataset than the config's own, at the input scale of the config's model.

    Args:
        config: Config of the model; ``test_scale`` (width, height) and ``test_keep_ratio`` say how large its inputs are.
        dataset: Config with a ``test_dataloader``.
        data_root: Folder of the data, if not the one of the dataset's config.
    """
    config.test_dataloader = dataset.test_dataloader
    source = config.test_dataloader.dataset
    if data_root is not None:
        source.data_root = data_root
    if config.get('test_scale') is not None:
        resize_inputs(source, config.test_scale, config.get('test_keep_ratio', False))


def resize_inputs(dataset: Config, scale: Sequence[int], keep_ratio: bool) -> None:
    """Resize the images of a dataset to this width and height right after they are loaded, and not otherwise.

    Args:
        dataset: Config of the dataset.
        scale: Width and height.
        keep_ratio: Whether to resize into the scale, and not to it.
    """
    step = dict(type='Resize', scale=tuple(scale), keep_ratio=keep_ratio)
    pipeline = [step for step in dataset.pipeline if type_name(step['type']) != 'Resize']
    position = _after_loading(pipeline)
    dataset.pipeline = [*pipeline[:position], step, *pipeline[position:]]


def corrupt_test_images(config: Config, corruption: str, severity: int) -> None:
    """Corrupt every test image right after it is loaded.

    Raises:
        ValueError: The corruption is unknown or the severity out of range.
    """
    Corruptions(corruption, severity)
    pipeline = config.test_dataloader.dataset.pipeline
    position = _after_loading(pipeline)
    step = dict(type='Corruptions', corruption=corruption, severity=severity)
    config.test_dataloader.dataset.pipeline = [*pipeline[:position], step, *pipeline[position:]]


def keep_region(config: Config, mask: str | Path) -> None:
    """Measure inside a region of interest only.

    Args:
        config: Config of a test.
        mask: See :class:`~mmseg_uncertainty.datasets.transforms.KeepRegion`.

    Raises:
        ValueError: The test pipeline loads no labels, or the mask does not exist.
    """
    if not Path(mask).exists():
        raise ValueError(f'--roi {mask} does not exist; expected an image whose pixels above 0 are the region, or a folder of such '
                         'images, one for each of the test images.')
    dataset = data_of(config, 'test')
    places = [index for index, step in enumerate(dataset.pipeline) if type_name(step['type']) in LABEL_LOADERS]
    if not places:
        raise ValueError(f'--roi: the test pipeline loads no labels; expected one of {LABEL_LOADERS} among its steps.')
    step = dict(type='KeepRegion', mask=str(mask))
    dataset.pipeline = [*dataset.pipeline[:places[-1] + 1], step, *dataset.pipeline[places[-1] + 1:]]


def use_evaluators(config: Config, names: Sequence[str], **options) -> None:
    """Evaluate with the metrics of these ``--eval`` names.

    Raises:
        ValueError: A name is unknown.
    """
    config.test_evaluator = [evaluator_config(name, **options) for name in names]
    config.setdefault('test_cfg', dict(type='TestLoop'))


def reject_what_is_flagged(config: Config) -> None:
    """Measure oIoU at the thresholds of the model's decisions too, wherever it is measured and decisions are made."""
    model, evaluators = model_of(config), config.get('test_evaluator') or []
    evaluators = [evaluators] if isinstance(evaluators, Mapping) else list(evaluators)
    measured = [metric for metric in evaluators if type_name(metric['type']) == 'OpenSetMetric']
    if model.get('decisions') and not model.get('tta') and len(measured) == 1 and measured[0].get('threshold') is None:
        config.test_evaluator = [*evaluators, dict(measured[0], threshold='decisions')]


def add_hooks(config: Config, need_heads: bool, allow_overlap: bool = False) -> None:
    """Add the hooks that every run of the tools has.

    Args:
        config: Config to change.
        need_heads: Whether checkpoints must fill all heads, as for testing.
        allow_overlap: Whether a calibrated model may be tested on what it was calibrated on.
    """
    own = [dict(type='PosthocCheckpointHook', need_heads=need_heads, allow_overlap=allow_overlap),
           dict(type='MatchingDataHook'), dict(type='ProgressBarHook'), dict(type='IterationSeedHook'),
           dict(type='DataWorkersHook')]
    if need_heads:
        # It would print every number of every head in one line; the evaluators print tables.
        config.setdefault('default_hooks', {})['logger'] = None
    added = {hook['type'] for hook in own}
    kept = [hook for hook in config.get('custom_hooks', []) if type_name(hook['type']) not in added]
    config.custom_hooks = kept + own


def _after_loading(pipeline: Sequence[dict]) -> int:
    positions = [index for index, step in enumerate(pipeline) if type_name(step['type']) in LOADERS]
    if not positions:
        raise ValueError(f'The test pipeline has no step that loads the image; expected one of {LOADERS}, found '
                         f'{[type_name(step["type"]) for step in pipeline]}.')
    return positions[0] + 1
