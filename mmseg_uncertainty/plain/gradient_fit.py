"""Fits heads that learn by gradient, with the recipe of ``local_configs/_base_/schedules/fed.py``."""
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from mmengine.optim import CosineAnnealingLR, LinearLR, OptimWrapper
from torch import Tensor, nn
from tqdm.auto import tqdm

from mmseg_uncertainty.functional.label_space import LabelSpace
from mmseg_uncertainty.models import PosthocSegmentor

from .batches import LabelledImage, labelled_images, labelled_input, same_shapes

WEIGHT_DECAY, LARGEST_NORM = 0.01, 5.
WARMUP_SHARE, WARMUP_START = 1 / 8, 1e-2
SAVE_INTERVAL = 100


@dataclass(frozen=True)
class GradientRecipe:
    """How heads learn: AdamW with a clipped gradient, a rate that rises over an eighth of the time and falls as a cosine.

    Args:
        iterations: Batches to learn from.
        learning_rate: Largest rate.
        seed: Seed of what is drawn in an iteration.
    """

    iterations: int = 400
    learning_rate: float = 4e-3
    seed: int = 0

    def __post_init__(self) -> None:
        if self.iterations < 1 or self.learning_rate <= 0:
            raise ValueError(f'iterations={self.iterations} must be at least 1, and learning_rate={self.learning_rate} '
                             'above 0.')

    def optimizer(self, heads: Mapping[str, nn.Module]) -> OptimWrapper:
        """The optimizer of all heads."""
        parameters = [parameter for head in heads.values() for parameter in head.parameters() if parameter.requires_grad]
        return OptimWrapper(torch.optim.AdamW(parameters, lr=self.learning_rate, weight_decay=WEIGHT_DECAY),
                            clip_grad=dict(max_norm=LARGEST_NORM))

    def schedulers(self, optimizer: OptimWrapper) -> list:
        """What moves the rate after each iteration."""
        warmup = int(self.iterations * WARMUP_SHARE)
        rising = [LinearLR(optimizer, WARMUP_START, by_epoch=False, begin=0, end=warmup)] if warmup else []
        return [*rising, CosineAnnealingLR(optimizer, eta_min=0., by_epoch=False, begin=warmup, end=self.iterations)]


class GradientFit:
    """Learning that can be interrupted.

    Draws depend on the seed and the number of the iteration alone, and so does the order of a loader that shuffles: a fit
    that went on from a saved state ends with the weights of one that was not interrupted, as long as the loader itself
    augments with torch.

    Args:
        posthoc: The model.
        heads: Heads that learn, by name.
        recipe: How they learn.
    """

    def __init__(self, posthoc: PosthocSegmentor, heads: Mapping[str, nn.Module], recipe: GradientRecipe) -> None:
        self.posthoc, self.heads, self.recipe = posthoc, heads, recipe
        self.optimizer = recipe.optimizer(heads)
        self.schedulers = recipe.schedulers(self.optimizer)
        self.iteration = self.epoch_start = 0

    def state(self) -> dict:
        """What is needed to go on, besides the weights of the heads."""
        return dict(iteration=self.iteration, epoch_start=self.epoch_start, optimizer=self.optimizer.state_dict(),
                    schedulers=[scheduler.state_dict() for scheduler in self.schedulers])

    def load_state(self, state: Mapping) -> None:
        """Go on from :meth:`state`."""
        self.iteration, self.epoch_start = state['iteration'], state['epoch_start']
        self.optimizer.load_state_dict(state['optimizer'])
        for scheduler, saved in zip(self.schedulers, state['schedulers'], strict=True):
            scheduler.load_state_dict(saved)

    def run(self, loader: Iterable, space: LabelSpace, save: Callable[[], None], progress: bool = True) -> None:
        """Learn until the last iteration.

        Args:
            loader: Batches; begun again whenever it ends.
            space: What labels may be.
            save: Called every :data:`SAVE_INTERVAL` iterations.
            progress: Whether to show a progress bar.

        Raises:
            FloatingPointError: The loss is NaN or infinite.
            ValueError: No pixel of any batch is labelled.
        """
        self.posthoc.eval()
        for head in self.heads.values():
            head.train()
        devices = [self._device] if self._device.type == 'cuda' else []
        with torch.random.fork_rng(devices), tqdm(desc=', '.join(self.heads), total=self.recipe.iterations,
                                                  initial=self.iteration, disable=not progress) as bar:
            batches = self._batches(loader, space)
            while self.iteration < self.recipe.iterations:
                loss = self._step(next(batches))
                self.iteration += 1
                bar.set_postfix(loss=f'{loss:.4f}', refresh=False)
                bar.update()
                if self.iteration % SAVE_INTERVAL == 0:
                    save()
        self.posthoc.check_learned()
        self.posthoc.eval()

    @property
    def _device(self) -> torch.device:
        return next(self.posthoc.base.parameters()).device

    def _batches(self, loader: Iterable, space: LabelSpace) -> Iterator[list[LabelledImage]]:
        """Batches from the present iteration on; those of the epoch before it are read once more and left out."""
        number = self.epoch_start
        while True:
            self._seed(number)
            epoch_start, batches = number, labelled_images(loader, space)
            while (batch := next(batches, None)) is not None:
                number += 1
                if number > self.iteration:
                    self.epoch_start = epoch_start
                    yield batch
                self._seed(number)
            if number == epoch_start:
                raise ValueError('The loader gives no batch; check its dataset, and its drop_last.')

    def _seed(self, number: int) -> None:
        torch.manual_seed(hash((self.recipe.seed, number)) % 2**63)

    def _step(self, images: list[LabelledImage]) -> float:
        losses = [len(places) * self._loss([images[place] for place in places]) for places in same_shapes(images)]
        loss = sum(losses) / len(images)
        if not loss.isfinite():
            raise FloatingPointError(f'The loss of {", ".join(self.heads)} is {float(loss)} in iteration {self.iteration}. '
                                     'Choose a smaller learning_rate, and check that images are normalized as in training.')
        self.optimizer.update_params(loss)
        for scheduler in self.schedulers:
            scheduler.step()
        return float(loss)

    def _loss(self, images: list[LabelledImage]) -> Tensor:
        inputs, samples, labels = labelled_input(images, self.posthoc.base.size_divisor, self._device)
        outputs = self.posthoc.frozen_outputs(inputs, samples)
        losses = {f'{name}.{key}': value for name, head in self.heads.items()
                  for key, value in head.loss(outputs, labels).items()}
        return self.posthoc.parse_losses(losses)[0]
