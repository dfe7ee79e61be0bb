"""Stops every head that learns by gradient where it does best on images it does not learn from."""
from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from itertools import islice

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import Tensor, nn

from mmseg_uncertainty.engine.bare_model import bare_model
from mmseg_uncertainty.engine.checkpoints import meta_of
from mmseg_uncertainty.models import PosthocSegmentor

CRITERION, STATES = 'held_out', 'held_out_states'


@HOOKS.register_module()
class HeldOutHook(Hook):
    """Give each head the weights of the iteration whose loss on held-out images was lowest.

    The loss is that of training, of whole images and without dropout. The first iteration counts too: a flow then ranks pixels as
    its first input does, so that on these images it ends no worse than there. All heads learn on; each keeps its own best weights.
    No test set is read. Losses are written to ``meta['held_out']`` of the checkpoints, by head and iteration, where fits of other
    step sizes can be compared.

    Args:
        dataloader: Config of a dataloader of labelled images, one of each once. Random steps of its pipeline need
            ``SeedAugmentations`` and the sampler ``NumberedInfiniteSampler``, so that all iterations see the same images.
        interval: Iterations from one look at these images to the next.

    Raises:
        ValueError: ``interval`` is below 1, no head learns by gradient, or the images have no labelled pixel.
    """

    # Before the checkpoint is written.
    priority = 'NORMAL'

    def __init__(self, dataloader: dict, interval: int = 50) -> None:
        if interval < 1:
            raise ValueError(f'HeldOutHook: interval={interval} must be at least 1 iteration.')
        self.dataloader, self.interval = dataloader, interval
        self.losses: dict[str, dict[int, float]] = {}
        self.states: dict[str, dict[str, Tensor]] = {}

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Go on from what an interrupted run has found."""
        if runner._resume and STATES in checkpoint:
            self.losses, self.states = deepcopy(meta_of(checkpoint)[CRITERION]), checkpoint[STATES]

    def before_train(self, runner: Runner) -> None:
        """Check that there is something to choose."""
        if not self._heads(runner):
            raise ValueError('HeldOutHook: no head of the model learns by gradient, so there is no iteration to choose; remove the '
                             'hook.')

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict | None = None,
                         outputs: dict | None = None) -> None:
        """Look at the held-out images now and then, and take the best weights at the end."""
        done = runner.iter + 1
        if done == 1 or done % self.interval == 0 or done == runner.max_iters:
            self._look(runner, done)
        if done == runner.max_iters:
            for name, head in self._heads(runner).items():
                head.load_state_dict(self.states[name])
                best = min(self.losses[name], key=self.losses[name].__getitem__)
                runner.logger.info(f'{name} takes the weights of iteration {best}: held-out loss {self.losses[name][best]:.4f}, '
                                   f'{self.losses[name][done]:.4f} at the end')

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Keep what was found, and the weights that may yet turn out best."""
        checkpoint['meta'][CRITERION] = deepcopy(self.losses)
        if runner.iter + 1 < runner.max_iters:
            checkpoint[STATES] = self.states

    def _look(self, runner: Runner, iteration: int) -> None:
        model, heads = bare_model(runner), self._heads(runner)
        training = model.training
        sums: dict[str, list[float]] = {name: [] for name in heads}
        model.eval()
        for losses in self._losses(runner, model):
            for name, values in sums.items():
                # Terms that are minimized; others only tell something.
                values.append(sum(float(loss) for key, loss in losses.items() if key.startswith(f'{name}.loss')))
        model.train(training)
        for name, head in heads.items():
            loss = sum(sums[name]) / max(len(sums[name]), 1)
            if not sums[name] or loss != loss:
                raise ValueError(f'HeldOutHook: the loss of {name} on {len(sums[name])} held-out images is {loss}; give images with '
                                 'labels to its dataloader.')
            if loss < min(self.losses.get(name, {}).values(), default=torch.inf):
                self.states[name] = {key: value.detach().cpu().clone() for key, value in head.state_dict().items()}
            self.losses.setdefault(name, {})[iteration] = loss

    @torch.no_grad()
    def _losses(self, runner: Runner, model: PosthocSegmentor) -> Iterator[dict[str, Tensor]]:
        loader = runner.build_dataloader(deepcopy(self.dataloader), seed=0)
        batches = (model.data_preprocessor(batch, False) for batch in loader)
        images = ((data['inputs'][index:index + 1], [sample])
                  for data in batches for index, sample in enumerate(data['data_samples']))
        # A sampler that numbers its draws never ends.
        for image in islice(images, len(loader.dataset)):
            yield model.loss(*image)

    @staticmethod
    def _heads(runner: Runner) -> dict[str, nn.Module]:
        heads = getattr(bare_model(runner), 'uncertainty_heads', {})
        return {name: head for name, head in heads.items() if hasattr(head, 'loss')}
