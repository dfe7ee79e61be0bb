"""Stops runs whose model and data do not fit together."""
from __future__ import annotations

from collections.abc import Sequence

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from mmseg_uncertainty.engine.bare_model import bare_model
from mmseg_uncertainty.engine.checkpoints import meta_of
from mmseg_uncertainty.engine.loops import CalibrationLoop
from mmseg_uncertainty.engine.matching_data import check_batch, check_classes
from mmseg_uncertainty.models import PosthocSegmentor


@HOOKS.register_module()
class MatchingDataHook(Hook):
    """Compare classes of model and dataset before a run, and sizes of images before a batch.

    Classes are compared before tests, and before heads are fitted. A base model that is trained may start from one with
    other classes.
    """

    priority = 'VERY_HIGH'

    def __init__(self) -> None:
        self.names: Sequence[str] = ()

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Note the names of the classes."""
        self.names = class_names(checkpoint)

    def before_train(self, runner: Runner) -> None:
        """Compare the classes of frozen model and training data; see :func:`check_classes`."""
        if isinstance(bare_model(runner), PosthocSegmentor):
            self._check(runner, runner.train_dataloader.dataset)

    def before_test(self, runner: Runner) -> None:
        """Compare the classes of model and test data; see :func:`check_classes`."""
        self._check(runner, runner.test_dataloader.dataset)

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        """Check the sizes of the images; see :func:`check_batch`."""
        check_batch(bare_model(runner), data_batch, training=not isinstance(runner.train_loop, CalibrationLoop))

    def before_val_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        """Check the sizes of the images; see :func:`check_batch`."""
        check_batch(bare_model(runner), data_batch)

    def before_test_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        """Check the sizes of the images; see :func:`check_batch`."""
        check_batch(bare_model(runner), data_batch)

    def _check(self, runner: Runner, dataset) -> None:
        check_classes(bare_model(runner), getattr(dataset, 'metainfo', {}), type(dataset).__name__, self.names)


def class_names(checkpoint: dict) -> Sequence[str]:
    """Names of the classes that a checkpoint was trained with, empty where it does not tell."""
    meta = meta_of(checkpoint)
    return (meta.get('dataset_meta') or {}).get('classes') or meta.get('CLASSES') or ()
