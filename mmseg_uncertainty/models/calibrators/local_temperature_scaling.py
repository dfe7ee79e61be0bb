"""A temperature for every pixel."""
from __future__ import annotations

import copy
from collections.abc import Sequence

import torch
from mmengine.dist import all_gather_object
from mmengine.logging import print_log
from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from mmseg_uncertainty.label_values import VOID
from mmseg_uncertainty.structures import FrozenOutputs, Grid, MethodInfo

from .calibrator import Calibrator, image_generator, image_key
from .local_temperature_network import LocalTemperatureNetwork

BATCH = 4


@MODELS.register_module()
class LocalTemperatureScaling(Calibrator):
    """Divide the logits of each pixel by a temperature that a small network reads from logits and image around it.

    One pass of the frozen model keeps crops of logits, image and labels; the network then learns from these alone. The crops,
    their order and the start follow from seeds and the names of the images, not from batches or processes.

    Args:
        num_classes: Number of classes K.
        variant: See :class:`LocalTemperatureNetwork`.
        floor: See :class:`LocalTemperatureNetwork`.
        crop_size: Height and width of the crops; smaller images are kept whole.
        crops_per_image: Crops of each image; one crop of K classes takes 2 K + 4 bytes per pixel.
        epochs: Passes of the optimizer over the crops.
        learning_rate: Step size of Adam.
        validation_share: Share of the images on which the best epoch is chosen; the start is one of the candidates.
        seed: Seed of gates, crops and order.
        options: See :class:`Calibrator`.
    """

    info = MethodInfo(
        'Local Temperature Scaling for Probability Calibration', 'Ding et al.', 2021,
        needs={'logits', 'images', 'labels'}, fitted=True,
        venue='ICCV', url='https://arxiv.org/abs/2008.05105')

    def __init__(self,
                 num_classes: int,
                 variant: str = 'smooth',
                 floor: float = 0.05,
                 crop_size: Sequence[int] = (128, 128),
                 crops_per_image: int = 4,
                 epochs: int = 10,
                 learning_rate: float = 1e-4,
                 validation_share: float = 0.2,
                 seed: int = 0,
                 **options) -> None:
        super().__init__(num_classes, **options)
        self.network = LocalTemperatureNetwork(num_classes, variant, floor).requires_grad_(False)
        self.crop_size, self.crops_per_image = tuple(crop_size), crops_per_image
        self.epochs, self.learning_rate = epochs, learning_rate
        self.validation_share, self.seed = validation_share, seed
        self.align_corners = False
        self.register_buffer('mean', torch.zeros(3, 1, 1), persistent=False)
        self.register_buffer('std', torch.full((3, 1, 1), 255.), persistent=False)

    def bind(self, segmentor: nn.Module) -> None:
        """Learn how the base model normalizes its images."""
        preprocessor = segmentor.data_preprocessor
        self.align_corners = segmentor.align_corners
        if getattr(preprocessor, '_enable_normalize', False):
            self.mean.copy_(preprocessor.mean)
            self.std.copy_(preprocessor.std)

    def temperatures(self, outputs: FrozenOutputs, metas: list[dict]) -> Tensor:
        """Temperature of every pixel, shape (N, 1, H, W); arguments as in :meth:`Calibrator.forward`."""
        return torch.cat([self.network(logits[None], image[None])
                          for logits, image in zip(outputs.logits, self._images(outputs, metas))])

    def _images(self, outputs: FrozenOutputs, metas: list[dict]) -> list[Tensor]:
        """Images as the network reads them: RGB in [0, 1], at the size of the logits."""
        grids = outputs.grids or [Grid.of_input(outputs.images.shape[-2:], meta, self.align_corners) for meta in metas]
        resized = [grid.to_image(image[None], tuple(outputs.logits.shape[-2:]))[0]
                   for grid, image in zip(grids, outputs.images, strict=True)]
        return [(image * self.std + self.mean) / 255 for image in resized]

    def calibrate(self, outputs: FrozenOutputs, metas: list[dict]) -> Tensor:
        """Divide by the temperature maps; see :meth:`Calibrator.calibrate`."""
        return outputs.logits / self.temperatures(outputs, metas)

    def start_stage(self, stage: int) -> None:
        """Forget the crops and what was learned from them."""
        super().start_stage(stage)
        self._crops: dict[str, list[tuple[Tensor, ...]]] = {}
        self.network.reset(self.seed)

    def update(self, outputs: FrozenOutputs, labels: Tensor, metas: list[dict]) -> None:
        """Keep crops of one batch; see :class:`~mmseg_uncertainty.models.fittable.Fittable`."""
        for logits, image, label, meta in zip(outputs.logits, self._images(outputs, metas), labels, metas):
            self.labelled_pixels(logits, label)
            images = (image.clamp(0, 1) * 255).round()
            generator = image_generator(meta, self.seed)
            self._crops[image_key(meta)] = [
                tuple(maps[..., window[0], window[1]].cpu()
                      for maps in (logits.half(), images.byte(), label.byte()))
                for window in (self._window(label.shape, generator) for _ in range(self.crops_per_image))]

    def _window(self, size: Sequence[int], generator) -> tuple[slice, slice]:
        starts = [int(generator.integers(max(full - wanted, 0) + 1)) for full, wanted in zip(size, self.crop_size)]
        return tuple(slice(start, start + wanted) for start, wanted in zip(starts, self.crop_size))

    def merge_ranks(self) -> None:
        """Collect the crops of all processes."""
        self._crops = {key: crops for part in all_gather_object(self._crops) for key, crops in part.items()}

    def finish_stage(self, stage: int) -> None:
        """Train the network on the crops.

        Raises:
            ValueError: There are too few images to learn from some and choose on others.
        """
        keys = sorted(self._crops)
        generator = torch.Generator().manual_seed(self.seed)
        keys = [keys[index] for index in torch.randperm(len(keys), generator=generator)]
        held_out = round(self.validation_share * len(keys))
        if not 0 < held_out < len(keys):
            raise ValueError(f'LocalTemperatureScaling: {len(keys)} images leave {held_out} to choose the best epoch on with '
                             f'validation_share={self.validation_share}; use more images or another share.')
        chosen, rest = ([crop for key in part for crop in self._crops[key]] for part in (keys[:held_out], keys[held_out:]))
        with torch.enable_grad():
            self._train(rest, chosen, generator)
        self._crops = {}
        self.fitted.fill_(True)

    def _train(self, crops: list, validation: list, generator: torch.Generator) -> None:
        self.network.requires_grad_(True)
        optimizer = torch.optim.Adam(self.network.parameters(), self.learning_rate)
        start = best = self._validate(validation)
        state = copy.deepcopy(self.network.state_dict())
        for _ in range(self.epochs):
            order = torch.randperm(len(crops), generator=generator).tolist()
            for position in range(0, len(order), BATCH):
                optimizer.zero_grad()
                for index in order[position:position + BATCH]:
                    loss, pixels = self._loss(crops[index])
                    (loss / max(pixels, 1) / BATCH).backward()
                optimizer.step()
            reached = self._validate(validation)
            if reached < best:
                best, state = reached, copy.deepcopy(self.network.state_dict())
        self.network.load_state_dict(state)
        self.network.requires_grad_(False)
        print_log(f'LocalTemperatureScaling: negative log-likelihood of held-out crops {start:.4f} before, {best:.4f} after',
                  'current')

    def _loss(self, crop: tuple[Tensor, ...]) -> tuple[Tensor, int]:
        """Sum of the negative log-likelihoods of a crop and its labelled pixels."""
        logits, image, labels = (maps[None].to(self.mean.device) for maps in crop)
        logits = logits.float()
        calibrated = logits / self.network(logits, image.float() / 255)
        return F.cross_entropy(calibrated, labels.long(), ignore_index=VOID, reduction='sum'), int((labels != VOID).sum())

    @torch.no_grad()
    def _validate(self, crops: list) -> float:
        parts = [self._loss(crop) for crop in crops]
        return sum(float(loss) for loss, _ in parts) / max(sum(pixels for _, pixels in parts), 1)
