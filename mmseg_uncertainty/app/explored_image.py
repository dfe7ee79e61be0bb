"""Images as the app holds them: predicted once, drawn as often as a slider moves."""
from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from dataclasses import dataclass, field

import numpy as np
import torch
from mmseg.structures import SegDataSample

from mmseg_uncertainty.apis import UncertaintyInferencer
from mmseg_uncertainty.datasets import DatasetError
from mmseg_uncertainty.functional.class_distributions import class_distribution
from mmseg_uncertainty.functional.prediction_sets import SetFamily
from mmseg_uncertainty.label_values import VOID
from mmseg_uncertainty.visualization.uncertainty_figure import prediction_of

SHOWN_PIXELS = 2**20
MOST_PIXELS = 2**24


@dataclass
class ExploredImage:
    """What sliders draw from; large images keep every n-th pixel.

    Args:
        image: Shape (H, W, 3), uint8, RGB.
        labels: Predicted classes, shape (H, W).
        probabilities: Class probabilities, shape (K, H, W), float32; calibrated if the model has a calibrator.
        maps: Uncertainty by head, each of shape (H, W), float32.
        truth: Labels where they are known, shape (H, W), 255 = void.
        size: Height and width of the whole image.
        membership: Which classes are in the prediction set of the model, shape (K, H, W), bool; ``None`` without a set head.
    """

    image: np.ndarray
    labels: np.ndarray
    probabilities: torch.Tensor
    maps: dict[str, np.ndarray]
    truth: np.ndarray | None
    size: tuple[int, int]
    membership: np.ndarray | None = None
    _conformity: dict[str, torch.Tensor] = field(default_factory=dict)

    @property
    def num_classes(self) -> int:
        """K."""
        return len(self.probabilities)

    @property
    def mistakes(self) -> np.ndarray | None:
        """Where prediction and label differ, shape (H, W), bool; ``None`` without labels."""
        return None if self.truth is None else (self.labels != self.truth) & (self.truth != VOID)

    def set_sizes(self, family: SetFamily, threshold: float) -> np.ndarray:
        """Size of the prediction sets at a threshold 1 - lambda, shape (H, W)."""
        key = repr(family)
        if key not in self._conformity:
            self._conformity[key] = family.conformity(self.probabilities[None])[0]
        return (self._conformity[key] >= threshold).sum(dim=0).numpy()


class ImageStore:
    """Predict images and keep the last of them.

    Args:
        inferencer: The model, loaded once.
        capacity: Images to keep.
    """

    def __init__(self, inferencer: UncertaintyInferencer, capacity: int = 16) -> None:
        self.inferencer, self.capacity = inferencer, capacity
        self._images: OrderedDict[str, ExploredImage] = OrderedDict()
        self._lock = threading.Lock()

    def add(self, image: np.ndarray, truth: np.ndarray | None = None) -> str:
        """Predict an image unless it is kept already.

        Args:
            image: Shape (H, W, 3), uint8, BGR.
            truth: Its labels, shape (H, W).

        Returns:
            The key of the image.

        Raises:
            DatasetError: The image is too large.
        """
        height, width = image.shape[:2]
        if height * width > MOST_PIXELS:
            raise DatasetError(f'The image has {width}×{height} pixels; the app takes {MOST_PIXELS / 1e6:.0f} megapixels. '
                               'Shrink it, or use tools/infer.py, which takes any size.')
        key = hashlib.sha256(image.tobytes() + bytes(str(image.shape), 'ascii')).hexdigest()
        with self._lock:
            if key not in self._images:
                self._images[key] = self._predict(image, truth)
                while len(self._images) > self.capacity:
                    self._images.popitem(last=False)
            self._images.move_to_end(key)
        return key

    def get(self, key: str) -> ExploredImage | None:
        """A kept image, ``None`` if it had to make room."""
        return self._images.get(key)

    def _predict(self, image: np.ndarray, truth: np.ndarray | None) -> ExploredImage:
        sample, = self.inferencer(image, return_datasamples=True)['predictions']
        step = int(np.ceil(np.sqrt(image.shape[0] * image.shape[1] / SHOWN_PIXELS)))
        every = (..., slice(None, None, step), slice(None, None, step))
        prediction = prediction_of(sample)
        return ExploredImage(
            image=np.ascontiguousarray(image[..., ::-1][every[1:]]),
            labels=prediction.labels[every],
            probabilities=self._probabilities(sample, every),
            maps={name: values[every] for name, values in prediction.uncertainty.items()},
            truth=None if truth is None else truth[every],
            size=image.shape[:2],
            membership=None if prediction.set_membership is None else prediction.set_membership[every])

    def _probabilities(self, sample: SegDataSample, every: tuple) -> torch.Tensor:
        if 'seg_logits' not in sample:
            raise DatasetError('The image is too large for the app with this number of classes. Shrink it, or use '
                               'tools/infer.py, which takes any size.')
        fields = (sample.get(name) for name in ('calibrated_logits', 'class_logits', 'seg_logits'))
        logits = next(field for field in fields if field is not None).data[every].cpu().float()[None]
        set_head = self.inferencer.model.set_head
        if set_head is not None:
            return set_head.probabilities(logits)[0]
        return class_distribution(sample.get('class_distribution', 'softmax')).probabilities(logits)[0]
