"""Gives a frozen model a cache of its base model's outputs."""
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import nn

from mmseg_uncertainty.engine.bare_model import bare_model
from mmseg_uncertainty.caching import BaseOutputCache
from mmseg_uncertainty.engine.checkpoints import base_fingerprint
from mmseg_uncertainty.models import PosthocSegmentor

NOT_BASE = ('type', 'uncertainty_heads', 'calibrator', 'set_head', 'decisions', 'auxiliary_head', 'data_preprocessor', 'train_cfg',
            'pretrained', 'init_cfg', 'tta')


@HOOKS.register_module()
class OutputCacheHook(Hook):
    """Read what the base model computed before from a folder, and add what is missing; ``--cache`` adds this hook.

    The cache is opened once the checkpoint is loaded, because the weights are part of its key.

    Args:
        directory: Folder of the cache.
        precision: ``'float16'``, or ``'float32'`` for results that are equal bit for bit.
        limit_gb: What the folder may hold, in 10^9 bytes.
    """

    def __init__(self, directory: str, precision: str = 'float16', limit_gb: float = 50.) -> None:
        self.directory, self.precision, self.limit = directory, precision, int(limit_gb * 1e9)

    def before_train(self, runner: Runner) -> None:
        """Open the cache."""
        self._open(runner)

    def before_val(self, runner: Runner) -> None:
        """Open the cache, unless training has."""
        if getattr(bare_model(runner), 'cache', None) is None:
            self._open(runner)

    def before_test(self, runner: Runner) -> None:
        """Open the cache."""
        self._open(runner)

    def after_train(self, runner: Runner) -> None:
        """Log what it saved."""
        self._report(runner)

    def after_test(self, runner: Runner) -> None:
        """Log what it saved."""
        self._report(runner)

    def _open(self, runner: Runner) -> None:
        model = bare_model(runner)
        if not isinstance(model, PosthocSegmentor):
            raise ValueError(f'--cache keeps the outputs of a frozen base model, and {type(model).__name__} is trained '
                             'itself. Leave it out, or use a config of a PosthocSegmentor.')
        config = {key: value for key, value in runner.cfg.model.to_dict().items() if key not in NOT_BASE}
        config = plain(config)
        if 'base' in config:
            config['network'] = str(model.base.network)
        base = dict(config=config, weights=base_fingerprint(model.state_dict()))
        model.cache = BaseOutputCache(self.directory, base, self.precision, self.limit)

    @staticmethod
    def _report(runner: Runner) -> None:
        runner.logger.info(bare_model(runner).cache.summary())


def plain(value: Any) -> Any:
    """A value of a config whose text is the same in every process: functions and networks become their names."""
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, nn.Module):
        return type(value).__qualname__
    return f'{value.__module__}.{value.__qualname__}' if callable(value) and hasattr(value, '__qualname__') else value
