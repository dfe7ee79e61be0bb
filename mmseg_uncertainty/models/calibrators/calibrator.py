"""Base class of everything that maps class logits to better calibrated ones."""
from __future__ import annotations

import zlib
from abc import abstractmethod
from pathlib import PurePath
from typing import ClassVar

import numpy as np
import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from mmseg_uncertainty.functional.class_distributions import Sigmoids
from mmseg_uncertainty.functional.label_space import LabelSpace
from mmseg_uncertainty.functional.temperature import keep_predictions
from mmseg_uncertainty.models.fittable import Fittable
from mmseg_uncertainty.structures import FrozenOutputs, MethodInfo


class Calibrator(BaseModule, Fittable):
    """Map class logits to logits whose softmax is better calibrated; fitted by ``CalibrationLoop``.

    Args:
        num_classes: Number of classes K.
        keep_argmax: Whether predictions stay those of the base model; where a calibrator would change one, the two classes
            exchange their calibrated logits.
        init_cfg: See :class:`mmengine.model.BaseModule`.
    """

    info: ClassVar[MethodInfo]

    def __init__(self, num_classes: int, keep_argmax: bool = True, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.num_classes = num_classes
        self.keep_argmax = keep_argmax
        self.register_buffer('fitted', torch.zeros((), dtype=torch.bool))

    @property
    def label_space(self) -> LabelSpace:
        """Labels that the calibrator can be fitted on."""
        return LabelSpace(self.num_classes)

    @property
    def needs_features(self) -> bool:
        """Whether the calibrator reads the input of the base model's classifier."""
        return 'features' in self.info.needs

    @property
    def calibrates_sigmoids(self) -> bool:
        """Whether the calibrator can be fitted to a base model of one sigmoid per class."""
        return False

    def bind(self, segmentor: nn.Module) -> None:
        """Learn from the base model what the calibrator must know about it."""

    def is_fitted(self) -> bool:
        """Whether the calibrator was fitted or loaded; one that is being fitted again is not."""
        return bool(self.fitted)

    @abstractmethod
    def calibrate(self, outputs: FrozenOutputs, metas: list[dict]) -> Tensor:
        """Calibrated logits, shape (N, K, H, W), whatever their arg-max."""

    def forward(self, outputs: FrozenOutputs, metas: list[dict]) -> Tensor:
        """Calibrate the logits of a batch.

        Args:
            outputs: Outputs of the base model with logits at output size, shape (N, K, H, W).
            metas: ``metainfo`` of each image.

        Returns:
            Shape (N, K, H, W).

        Raises:
            RuntimeError: The calibrator was never fitted.
            ValueError: The number of classes is not the one the calibrator was made for.
        """
        if not self.is_fitted():
            raise RuntimeError(f'{type(self).__name__} was not fitted yet. Fit it with tools/train.py and '
                               "train_cfg=dict(type='CalibrationLoop'), and test the checkpoint that this saves.")
        if outputs.logits.shape[1] != self.num_classes:
            raise ValueError(f'{type(self).__name__}: the model has {outputs.logits.shape[1]} classes and the calibrator '
                             f'num_classes={self.num_classes}; set num_classes of the calibrator to that of the model.')
        calibrated = self.calibrate(outputs, metas)
        return keep_predictions(calibrated, outputs.logits) if self.keep_argmax else calibrated

    def start_stage(self, stage: int) -> None:
        """Forget an earlier fit."""
        self.fitted.fill_(False)

    def labelled_pixels(self, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Labelled pixels of one image.

        Args:
            logits: Shape (K, H, W).
            labels: Shape (H, W), 0..K-1 or void.

        Returns:
            Logits (K, n) and labels (n,).

        Raises:
            ValueError: A label is neither a class nor void, or a logit of a labelled pixel is not finite.
        """
        logits, labels = self.all_pixels(logits, labels)
        kept = self.label_space.known(labels)
        return (logits, labels) if kept.all() else (logits[:, kept], labels[kept])

    def all_pixels(self, logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels of one image that were checked, void ones too; see :meth:`labelled_pixels`."""
        labels, logits = labels.reshape(-1), logits.reshape(len(logits), -1)
        self.label_space.check(labels, type(self).__name__, 'Check num_classes and the label map.')
        if not logits.sum(dtype=torch.float64).isfinite():
            broken = int((~logits.isfinite()).any(dim=0)[self.label_space.known(labels)].sum())
            if broken:
                raise ValueError(f'{type(self).__name__}: logits of {broken} labelled pixels are NaN or infinite; nothing '
                                 'can be fitted on them. Check the base model, its checkpoint and mixed precision on these '
                                 'images.')
        return logits, labels


    def likelihood_pixels(self, outputs: FrozenOutputs, index: int, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Pixels of one image whose softmax has the likelihood of its labels; see :meth:`all_pixels`.

        One sigmoid per class makes K problems of every pixel, each class against the rest.
        """
        pixels, labels = self.all_pixels(outputs.logits[index], labels)
        if isinstance(outputs.distribution, Sigmoids):
            return outputs.distribution.binary_problems(pixels, labels)
        return pixels, labels


def image_key(meta: dict) -> str:
    """What identifies an image among all calibration images, whatever their order."""
    return str(meta.get('img_path', meta.get('img_id', '')))


def image_generator(meta: dict, seed: int = 0) -> np.random.Generator:
    """Random numbers of one image, the same in every batch and process; only the file's name counts, not its folder."""
    return np.random.default_rng([seed, zlib.crc32(PurePath(image_key(meta)).name.encode())])


def pixel_sample(size: int, wanted: int, meta: dict, seed: int = 0) -> Tensor:
    """Positions of at most ``wanted`` of ``size`` pixels of one image, without repetition."""
    if size <= wanted:
        return torch.arange(size)
    return torch.from_numpy(image_generator(meta, seed).choice(size, wanted, replace=False, shuffle=False))
