"""Base class of prediction sets whose threshold depends on an embedding of the image."""
from __future__ import annotations

import zlib
from abc import abstractmethod
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from mmseg_uncertainty.functional.conformal_losses import image_loss, select_images, StepLoss
from mmseg_uncertainty.functional.conformal_splits import part_of
from mmseg_uncertainty.structures import FrozenOutputs, Place

from .curve_set_head import CurveSetHead
from .image_embedding import ImageEmbedding
from .kept_embeddings import KeptEmbeddings


class EmbeddingSetHead(CurveSetHead):
    """Keep embeddings beside the curves of the calibration images, and compare every image with a threshold of its own.

    Args:
        num_classes: Number of classes.
        embedding: What is read of an image, see :class:`~mmseg_uncertainty.models.set_heads.image_embedding.ImageEmbedding`.
        options: Arguments of :class:`~mmseg_uncertainty.models.set_heads.curve_set_head.CurveSetHead`.
    """

    whole_image = True
    embeds = True

    def __init__(self, num_classes: int, embedding: Sequence[str] = ('confidence', ), **options) -> None:
        super().__init__(num_classes, **options)
        self.embedding = ImageEmbedding(embedding, num_classes)
        self.kept = KeptEmbeddings()

    @property
    def needs_features(self) -> bool:
        """Whether the base model has to give features."""
        return self.embedding.needs_features

    @abstractmethod
    def image_thresholds(self, embeddings: np.ndarray) -> np.ndarray:
        """Threshold 1 - lambda of each image.

        Args:
            embeddings: Shape (N, D).

        Returns:
            Shape (N,), float64, in [0, 1].
        """

    def embed(self, outputs: FrozenOutputs, probabilities: Tensor) -> Tensor:
        """Embeddings of N images; see :class:`~mmseg_uncertainty.models.set_heads.image_embedding.ImageEmbedding`."""
        return self.embedding(outputs, probabilities)

    def start_stage(self, stage: int) -> None:
        """Forget earlier images."""
        super().start_stage(stage)
        self.kept.start('values', 'positions')

    def update(self, outputs: FrozenOutputs, labels: Tensor, metas: list[dict]) -> None:
        """Tabulate and embed one batch; see :class:`~mmseg_uncertainty.models.fittable.Fittable`."""
        probabilities = self._tabulate(outputs, labels, metas)
        self.kept.add(self.embed(outputs, probabilities), [_position(meta, index) for index, meta in enumerate(metas)])

    def merge_ranks(self) -> None:
        """Collect the images of all processes."""
        super().merge_ranks()
        self.kept.merge_ranks('values', 'positions')

    def finish_stage(self, stage: int) -> None:
        """Keep curves and embeddings."""
        self.curves.finish()
        self.kept.finish('values', 'positions')
        self.report_void(self.kept_table())

    def part(self, name: str) -> np.ndarray:
        """Which calibration images a step has, indices; all where images are not divided.

        Raises:
            ValueError: There is none.
        """
        positions = self.kept.array('positions')
        if not self.shares:
            return np.arange(len(positions))
        steps = list(self.shares)
        chosen = np.flatnonzero([part_of(position, tuple(self.shares.values())) == steps.index(name) for position in positions])
        if not len(chosen):
            shares = ', '.join(f'{step} {share:g}' for step, share in self.shares.items())
            raise ValueError(f'{type(self).__name__}: none of the {len(positions)} calibration images fell to the part for {name} '
                             f'(shares: {shares}). Calibrate with more images or shorter blocks (block_length of CalibrationLoop).')
        return chosen

    def losses_of(self, images: np.ndarray, **loss) -> StepLoss:
        """Losses of some calibration images, in the given order."""
        return image_loss(select_images(self.kept_table(), images), **loss)

    def forward(self, probabilities: Tensor, predicted: Tensor | None = None, place: Place | None = None,
                embedding: Tensor | None = None) -> Tensor:
        """Prediction sets at every pixel.

        Args:
            probabilities: See :class:`~mmseg_uncertainty.models.set_heads.SetHead`.
            predicted: Likewise.
            place: Likewise; it has to be the whole image.
            embedding: What :meth:`embed` says of the images, shape (N, D).

        Returns:
            Whether a class is in the set, shape (N, K, H, W), bool.

        Raises:
            RuntimeError: The head was never fitted.
            ValueError: There is no embedding of the whole images, or probabilities are not those of the head.
        """
        self.check(probabilities)
        if embedding is None or place is not None and place.window.size != tuple(place.size):
            raise ValueError(f'{type(self).__name__}: sets adapt to the whole image, and this is a part of one, or one without its '
                             'embedding. Shrink the image, or give a larger max_pixels (--max-pixels).')
        thresholds = self.image_thresholds(embedding.double().cpu().numpy())
        predicted = [None] * len(probabilities) if predicted is None else predicted.split(1)
        return torch.cat([self.family.sets(one, float(threshold), own)
                          for one, threshold, own in zip(probabilities.split(1), thresholds, predicted)])

    def sets(self, probabilities: Tensor, predicted: Tensor | None = None, place: Place | None = None) -> Tensor:
        """Not to be had without an embedding; see :meth:`forward`."""
        return self.forward(probabilities, predicted, place)


def _position(meta: dict, index: int) -> float:
    """Where an image stands, the same in any order and process."""
    position = meta.get('calibration_position')
    name = Path(str(meta.get('img_path', f'image {index}'))).stem
    return zlib.crc32(name.encode()) / 2**32 if position is None else position
