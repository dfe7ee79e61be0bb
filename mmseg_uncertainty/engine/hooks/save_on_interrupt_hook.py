"""Keeps what was fitted when a run is stopped by hand."""
from __future__ import annotations

import os
import signal
import sys
import threading

from mmengine.dist import get_world_size
from mmengine.hooks import CheckpointHook, Hook
from mmengine.runner import IterBasedTrainLoop, Runner
from mmseg.registry import HOOKS

from mmseg_uncertainty.engine.resuming import note_last_checkpoint
from mmseg_uncertainty.runtime.command_line import Interrupted


@HOOKS.register_module()
class SaveOnInterruptHook(Hook):
    """Let the first Ctrl+C finish its iteration and save a checkpoint, from which a run resumes as if it had never stopped.

    The second stops at once. Several processes are left alone: a signal reaches them in different iterations, and they
    would wait for each other.
    """

    priority = 'VERY_LOW'

    def __init__(self) -> None:
        self.requested = False

    def before_train(self, runner: Runner) -> None:
        """Take Ctrl+C over."""
        alone = get_world_size() == 1 and threading.current_thread() is threading.main_thread()
        if alone and isinstance(runner.train_loop, IterBasedTrainLoop):
            self._process, self._previous = os.getpid(), signal.signal(signal.SIGINT, self._request)

    def after_train_iter(self,
                         runner: Runner,
                         batch_idx: int,
                         data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        """Save and stop, if asked to.

        Raises:
            Interrupted: It was asked to.
        """
        if not self.requested:
            return
        done = runner.iter + 1
        saving = next((hook for hook in runner.hooks if isinstance(hook, CheckpointHook)), None)
        options = dict(backend_args=saving.backend_args) if saving else {}
        runner.save_checkpoint(runner.work_dir, f'iter_{done}.pth', by_epoch=False, **options)
        path = note_last_checkpoint(runner.work_dir, f'iter_{done}.pth')
        raise Interrupted(f'Saved {path} after {done} of {runner.max_iters} iterations. To go on, run the same command with '
                          '--resume.')

    def after_train(self, runner: Runner) -> None:
        """Give Ctrl+C back."""
        if hasattr(self, '_previous'):
            signal.signal(signal.SIGINT, self._previous)

    def _request(self, number: int, frame) -> None:
        # Workers of dataloaders inherit this handler and must go on loading.
        if os.getpid() != self._process:
            return
        if self.requested:
            raise KeyboardInterrupt
        self.requested = True
        print('\nFinishing this iteration to save it; press Ctrl+C again to stop at once.', file=sys.stderr, flush=True)
