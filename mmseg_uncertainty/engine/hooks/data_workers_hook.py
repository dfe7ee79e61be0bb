"""Ends the processes that load data."""
from __future__ import annotations

from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch.utils.data import DataLoader


@HOOKS.register_module()
class DataWorkersHook(Hook):
    """Ends persistent workers with the run.

    Left to the garbage collector, their queues are closed before they are told to end, and torch waits five seconds for each.
    """

    priority = 'LOWEST'

    def after_run(self, runner: Runner) -> None:
        """Let go of the iterators of all loaders."""
        for loop in (runner._train_loop, runner._val_loop, runner._test_loop):
            loader = getattr(loop, 'dataloader', None)
            if isinstance(loader, DataLoader):
                loader._iterator = None
