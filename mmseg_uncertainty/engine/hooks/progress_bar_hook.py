"""Progress bars for training, validation and testing."""
from __future__ import annotations

from collections.abc import Sequence

from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from tqdm.auto import tqdm


@HOOKS.register_module()
class ProgressBarHook(Hook):
    """Show how far a run is; a bar per training run and one per pass of validation or test.

    Args:
        minimum_seconds: Least time between two updates of a bar, in seconds.
    """

    def __init__(self, minimum_seconds: float = 0.5) -> None:
        self.minimum_seconds = minimum_seconds
        self._bars: dict[str, tqdm] = {}

    def before_train(self, runner: Runner) -> None:
        """Open the bar of the run where training starts or resumes."""
        self._open('train', runner.max_iters, runner.iter)

    def after_train_iter(self,
                         runner: Runner,
                         batch_idx: int,
                         data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        """Advance by one iteration and show the loss."""
        loss = (outputs or {}).get('loss')
        self._advance('train', {} if loss is None else dict(loss=f'{loss.item():.4f}'))

    def after_train(self, runner: Runner) -> None:
        """Close the bar of the run."""
        self._close('train')

    def before_val_epoch(self, runner: Runner) -> None:
        """Open the bar of a validation pass."""
        self._open('val', len(runner.val_dataloader))

    def after_val_iter(self,
                       runner: Runner,
                       batch_idx: int,
                       data_batch: dict | None = None,
                       outputs: Sequence | None = None) -> None:
        """Advance by one batch."""
        self._advance('val')

    def after_val_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        """Close the bar of a validation pass."""
        self._close('val')

    def before_test_epoch(self, runner: Runner) -> None:
        """Open the bar of a test pass."""
        self._open('test', len(runner.test_dataloader))

    def after_test_iter(self,
                        runner: Runner,
                        batch_idx: int,
                        data_batch: dict | None = None,
                        outputs: Sequence | None = None) -> None:
        """Advance by one batch."""
        self._advance('test')

    def after_test_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        """Close the bar of a test pass."""
        self._close('test')

    def _open(self, name: str, total: int, initial: int = 0) -> None:
        if is_main_process():
            self._bars[name] = tqdm(
                desc=name, total=total, initial=initial, mininterval=self.minimum_seconds, leave=name == 'train')

    def _advance(self, name: str, values: dict[str, str] | None = None) -> None:
        if name in self._bars:
            if values:
                self._bars[name].set_postfix(values, refresh=False)
            self._bars[name].update()

    def _close(self, name: str) -> None:
        if name in self._bars:
            self._bars.pop(name).close()
