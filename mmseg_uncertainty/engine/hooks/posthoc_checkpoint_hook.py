"""Checks checkpoints before they are loaded and writes down what heads were fitted on."""
from __future__ import annotations

from pathlib import Path

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from mmseg_uncertainty.engine.bare_model import bare_model
from mmseg_uncertainty.datasets.scene_overlap import dataset_contents, refuse_overlap
from mmseg_uncertainty.engine.checkpoints import (CheckpointError, base_fingerprint, check_filled, check_fit, meta_of,
                                                  state_dict_of)
from mmseg_uncertainty.engine.loops import CalibrationLoop
from mmseg_uncertainty.engine.usual_ranges import kept_ranges
from mmseg_uncertainty.models import PosthocSegmentor


@HOOKS.register_module()
class PosthocCheckpointHook(Hook):
    """Refuse a checkpoint that does not fit, instead of loading half of it with a warning.

    A saved checkpoint gets ``meta['fitted_on']``: the fingerprint of the base model, the classes and the number of
    images. Loading it with other base weights is an error. What ``CalibrationLoop`` fitted also keeps the names of its images
    and scenes, and testing it on one of these is an error. What heads learned from by gradient is kept too, so that no
    promise about their scores is made on it.

    Args:
        need_heads: Whether a checkpoint must hold the weights of all heads, as for testing.
        allow_overlap: Whether images and scenes of the calibration set may be tested on.
    """

    priority = 'VERY_HIGH'

    def __init__(self, need_heads: bool = False, allow_overlap: bool = False) -> None:
        self.need_heads = need_heads
        self.allow_overlap = allow_overlap
        self.calibrated_on: tuple[str, dict] | None = None
        self.resumed_base: str | None = None
        self.contents: dict | None = None

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Check before the model takes anything from the checkpoint."""
        model = bare_model(runner)
        if not isinstance(model, PosthocSegmentor):
            return
        path = str(runner._load_from or 'The checkpoint')
        state = checkpoint['state_dict'] = model.base.translated(state_dict_of(checkpoint))
        check_fit(model, state, path, self.need_heads)
        model.usual_ranges = kept_ranges(meta_of(checkpoint))
        fitted_on = meta_of(checkpoint).get('fitted_on') or {}
        model.trained_on = fitted_on.get('training')
        self.resumed_base = fitted_on.get('base')
        self.calibrated_on = (path, fitted_on['calibration']) if 'calibration' in fitted_on else None
        if fitted_on and fitted_on['base_sha256'] != base_fingerprint(state):
            raise CheckpointError(f'{path}: its heads were fitted on the base model {fitted_on["base_sha256"][:12]}, but the '
                                  f'base weights beside them are {base_fingerprint(state)[:12]}. Fit the heads again on '
                                  'this base model.')

    def before_train(self, runner: Runner) -> None:
        """Check a model that no checkpoint has filled."""
        self._check_filled(runner)

    def before_test(self, runner: Runner) -> None:
        """Check a model that no checkpoint has filled; refuse images and scenes that the model was calibrated on."""
        self._check_filled(runner)
        if self.calibrated_on is not None and not self.allow_overlap:
            path, fitted = self.calibrated_on
            refuse_overlap(fitted, dataset_contents(runner.test_dataloader.dataset), path)

    def _check_filled(self, runner: Runner) -> None:
        model = bare_model(runner)
        if isinstance(model, PosthocSegmentor) and not runner._has_loaded:
            check_filled(model, runner.cfg.filename, self.need_heads)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Write down what the heads were fitted on; refuse to save heads that saw no labelled pixel."""
        model = bare_model(runner)
        if not isinstance(model, PosthocSegmentor):
            return
        model.check_learned()
        dataset = runner.train_dataloader.dataset
        checkpoint['meta']['fitted_on'] = dict(
            base=self.resumed_base if runner._resume else Path(runner._load_from).name if runner._load_from else None,
            base_sha256=base_fingerprint(state_dict_of(checkpoint)),
            classes=list(dataset.metainfo.get('classes', ())),
            images=len(dataset))
        fitted_on = checkpoint['meta']['fitted_on']
        calibrates = isinstance(runner.train_loop, CalibrationLoop)
        if self.contents is None and hasattr(dataset, 'get_data_info'):
            self.contents = dataset_contents(dataset)
        if calibrates and self.contents is not None:
            fitted_on['calibration'] = self.contents
        learned = [name for name, head in model.uncertainty_heads.items() if hasattr(head, 'loss')]
        training = getattr(model, 'trained_on', None) if calibrates else self.contents and dict(self.contents, heads=learned)
        if training:
            fitted_on['training'] = training
