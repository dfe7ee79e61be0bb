"""Results with everything needed to make them again."""
from __future__ import annotations

import platform
from importlib import metadata
from pathlib import Path

from mmengine.runner import Runner
from torch import nn

from mmseg_uncertainty.engine.checkpoints import base_fingerprint
from mmseg_uncertainty.engine.weight_files import sha256
from mmseg_uncertainty.runtime.json_files import write_json

OWN_WEIGHTS = 'weights of the base model'

__all__ = ['OWN_WEIGHTS', 'checkpoint_facts', 'results_of_test', 'versions', 'write_json']

DISTRIBUTIONS = ('mmseg_uncertainty', 'torch', 'numpy', 'onedl-mmsegmentation', 'mmsegmentation', 'onedl-mmcv', 'mmcv',
                 'onedl-mmengine', 'mmengine', 'FrEIA', 'transformers', 'torchvision', 'segmentation_models_pytorch')


def results_of_test(runner: Runner, metrics: dict, config: str, checkpoint: str | None, **options) -> dict:
    """Results of one test run with their provenance.

    Args:
        runner: The runner after testing.
        metrics: What it measured.
        config: Path of the config.
        checkpoint: Path of the checkpoint, ``None`` where the base model has weights of its own.
        options: Command-line options that shaped the numbers.
    """
    evaluators = [metric.provenance for metric in runner.test_loop.evaluator.metrics if hasattr(metric, 'provenance')]
    dataset = runner.test_dataloader.dataset
    return dict(
        metrics=metrics,
        config=config,
        **checkpoint_facts(checkpoint, _model(runner)),
        dataset=type(dataset).__name__,
        images=len(dataset),
        skipped=list(getattr(dataset, 'skipped', [])),
        evaluators=evaluators,
        heads={name: type(head).__name__ for name, head in getattr(_model(runner), 'uncertainty_heads', {}).items()},
        seed=runner.seed,
        options=options,
        versions=versions())


def checkpoint_facts(checkpoint: str | Path | None, model: nn.Module) -> dict[str, str]:
    """Name and SHA-256 of a checkpoint; of the tensors of the base model where there is none."""
    if checkpoint is None:
        return dict(checkpoint=OWN_WEIGHTS, checkpoint_sha256=base_fingerprint(model.state_dict()))
    return dict(checkpoint=Path(checkpoint).name, checkpoint_sha256=sha256(checkpoint))


def versions() -> dict[str, str]:
    """Versions of Python and of the distributions that numbers depend on."""
    found = {'python': platform.python_version()}
    for name in DISTRIBUTIONS:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def _model(runner: Runner):
    return getattr(runner.model, 'module', runner.model)
