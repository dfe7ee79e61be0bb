"""Makes the random draws of an iteration depend on the seed and its number alone."""
from __future__ import annotations

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS


@HOOKS.register_module()
class IterationSeedHook(Hook):
    """Reseed torch before every training iteration, so that a resumed run draws the dropout masks of an unbroken one."""

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None) -> None:
        """Seed with the run's seed, the iteration and the rank."""
        torch.manual_seed(hash((runner.seed, runner.iter, runner.rank)) % 2**63)
