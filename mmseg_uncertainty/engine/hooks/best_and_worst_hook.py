"""Keeps the best and the worst images of a test."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mmengine.dist import is_main_process
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from mmseg.structures import SegDataSample

from mmseg_uncertainty.engine.bare_model import bare_model
from mmseg_uncertainty.label_values import VOID
from mmseg_uncertainty.runtime.prediction import Prediction
from mmseg_uncertainty.visualization.uncertainty_figure import prediction_of

from .uncertainty_visualization_hook import image_like

LARGEST_PICTURE = 1600


@dataclass(frozen=True)
class RankedImage:
    """An image with its quality.

    Args:
        quality: Higher is better.
        words: The quality in words.
        name: Name of the image.
        image: Shape (H, W, 3), uint8, RGB.
        prediction: Result for it.
    """

    quality: float
    words: str
    name: str
    image: np.ndarray
    prediction: Prediction


@HOOKS.register_module()
class BestAndWorstHook(Hook):
    """Keep the images of the largest and the smallest quality of a test pass, thinned to the size of a picture.

    Quality is the share of right pixels where labels are classes, and where they are unknown objects the AUROC of the
    uncertainty over the pixels of the image. Images without labelled pixels, or without both kinds, are passed over.

    Args:
        most: Images to keep at either end.
        head: Head whose AUROC counts; ``None`` takes the first.
    """

    def __init__(self, most: int = 3, head: str | None = None) -> None:
        self.most, self.head = most, head
        self._kept: list[RankedImage] = []
        self._scenes: dict[str, np.ndarray] = {}

    def scenes(self) -> list[tuple[str, int, float]]:
        """Name, images and share of right pixels of each scene with labelled classes."""
        return [(name, int(images), float(right / known)) for name, (images, right, known) in self._scenes.items() if known]

    @property
    def best(self) -> list[RankedImage]:
        """The best images, best first."""
        return self._kept[:-self.most - 1:-1]

    @property
    def worst(self) -> list[RankedImage]:
        """The worst images that are not among the best, worst first."""
        return self._kept[:max(len(self._kept) - self.most, 0)][:self.most]

    def before_test_epoch(self, runner: Runner) -> None:
        """Start anew."""
        model = bare_model(runner)
        self.head = self.head or next(iter(getattr(model, 'uncertainty_heads', {})), None)
        self._anomalies = runner.test_dataloader.dataset.metainfo.get('label_kind') == 'anomaly'
        self._kept, self._scenes = [], {}

    def after_test_iter(self,
                        runner: Runner,
                        batch_idx: int,
                        data_batch: dict | None = None,
                        outputs: Sequence[SegDataSample] | None = None) -> None:
        """Rank the images of a batch."""
        if not is_main_process():
            return
        for network_input, sample in zip(data_batch['inputs'], outputs):
            if not self._anomalies and 'gt_sem_seg' in sample:
                self._count(sample)
            rated = self._rate(prediction_of(sample)) if 'gt_sem_seg' in sample else None
            if rated is not None and self._belongs(rated[0]):
                self._keep(*rated, network_input, sample)

    def _count(self, sample: SegDataSample) -> None:
        scene = sample.metainfo.get('scene', sample.metainfo.get('sequence'))
        if scene is not None:
            prediction = prediction_of(sample)
            known = prediction.truth != VOID
            right = (prediction.labels == prediction.truth) & known
            counts = np.array([1, right.sum(), known.sum()], np.int64)
            self._scenes[str(scene)] = self._scenes.get(str(scene), 0) + counts

    def _belongs(self, quality: float) -> bool:
        if len(self._kept) < 2 * self.most:
            return True
        return quality < self._kept[self.most - 1].quality or quality > self._kept[-self.most].quality

    def _keep(self, quality: float, words: str, network_input, sample: SegDataSample) -> None:
        image, prediction = image_like(network_input, sample), prediction_of(sample)
        every = (slice(None, None, -(-max(prediction.size) // LARGEST_PICTURE)), ) * 2
        thinned = Prediction(
            prediction.labels[every].copy(), {name: values[every].copy() for name, values in prediction.uncertainty.items()},
            None if prediction.set_size is None else prediction.set_size[every].copy(), None, prediction.truth[every].copy(),
            {name: flags[every].copy() for name, flags in prediction.flags.items()})
        name = Path(str(sample.metainfo.get('img_path', ''))).stem
        self._kept.append(RankedImage(quality, words, name, image[every].copy(), thinned))
        self._kept.sort(key=lambda ranked: ranked.quality)
        if len(self._kept) > 2 * self.most:
            del self._kept[self.most]

    def _rate(self, prediction: Prediction) -> tuple[float, str] | None:
        known = prediction.truth != VOID
        truth = prediction.truth[known]
        if not self._anomalies:
            if not truth.size:
                return None
            right = float((prediction.labels[known] == truth).mean())
            return right, f'{100 * right:.1f} % of the pixels right'
        if self.head is None or not 0 < (truth == 1).sum() < truth.size:
            return None
        # Imported late: scikit-learn takes a second, which only reports of anomalies need.
        from sklearn.metrics import roc_auc_score
        auroc = float(roc_auc_score(truth == 1, prediction.uncertainty[self.head][known]))
        return auroc, f'AUROC of {self.head} {100 * auroc:.1f} %'
