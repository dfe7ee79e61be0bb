"""Tests in mixed precision or with another memory layout."""
from __future__ import annotations

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from mmseg_uncertainty.engine.bare_model import bare_model

PRECISIONS = dict(bfloat16=torch.bfloat16, float16=torch.float16)


@HOOKS.register_module()
class FastInferenceHook(Hook):
    """Let the frozen base model run faster and less exactly; heads and metrics stay in float32.

    Args:
        precision: ``'bfloat16'`` or ``'float16'`` for mixed precision, ``None`` for the precision of the weights.
        channels_last: Whether convolutions work on maps that lie in memory by pixel.
    """

    def __init__(self, precision: str | None = None, channels_last: bool = False) -> None:
        if precision not in (None, *PRECISIONS):
            raise ValueError(f'FastInferenceHook: precision={precision!r} is unknown; choose from {tuple(PRECISIONS)}.')
        self.precision, self.channels_last = PRECISIONS.get(precision), channels_last

    def before_test(self, runner: Runner) -> None:
        """Tell the model."""
        model = bare_model(runner)
        if not hasattr(model, 'hasten'):
            raise ValueError(f'--amp and --channels-last hasten the frozen model of a PosthocSegmentor; {type(model).__name__} '
                             'is none. Leave them out, or test a config with uncertainty heads.')
        model.hasten(self.precision, self.channels_last)
