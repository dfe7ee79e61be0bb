"""A temperature for each kind of image."""
from __future__ import annotations

import logging

import numpy as np
import torch
from mmengine.dist import all_gather_object
from mmengine.logging import print_log
from mmseg.registry import MODELS
from torch import Tensor, nn

from mmseg_uncertainty.structures import FrozenOutputs, MethodInfo

from .calibrator import Calibrator, image_key
from .feature_clusters import FeatureClusters
from .likelihood_fit import LikelihoodFit, check_labelled, temperature_of_all, temperatures_of_groups

ASSIGNMENTS = ('hard', 'soft')


@MODELS.register_module()
class ClusteredTemperatureScaling(Calibrator):
    """Cluster images by their features, fit a temperature per cluster, and divide the logits of an image by its own.

    Features are the input of the base model's classifier, averaged over the image and scaled to length 1. Clusters, first
    temperatures and features come from one pass; a second pass refines the temperatures, and more follow where it does not
    enclose them.

    Args:
        num_classes: Number of classes K.
        num_clusters: Number of clusters; 1 is :class:`TemperatureScaling` bit for bit.
        method: ``'kmeans'`` or ``'gmm'``.
        assignment: ``'hard'`` uses the nearest cluster, ``'soft'`` the mean of all temperatures weighted by inverse
            distance (``'kmeans'``) or responsibility (``'gmm'``).
        min_images: Clusters of fewer calibration images take the temperature of all images.
        seed: Seed of the clustering.
        options: See :class:`Calibrator`.

    Raises:
        ValueError: An option is unknown.
    """

    info = MethodInfo(
        'Reliability in semantic segmentation: are we on the right track?', 'de Jorge et al.', 2023,
        needs={'logits', 'features', 'labels'}, fitted=True,
        venue='CVPR', url='https://arxiv.org/abs/2303.11298')
    stages = 2

    def __init__(self,
                 num_classes: int,
                 num_clusters: int = 8,
                 method: str = 'kmeans',
                 assignment: str = 'hard',
                 min_images: int = 1,
                 seed: int = 0,
                 **options) -> None:
        super().__init__(num_classes, **options)
        if assignment not in ASSIGNMENTS:
            raise ValueError(f'ClusteredTemperatureScaling: assignment={assignment!r} is unknown; choose from {ASSIGNMENTS}.')
        self.num_clusters, self.method, self.seed = num_clusters, method, seed
        self.soft, self.min_images = assignment == 'soft', min_images
        self.register_buffer('temperatures', torch.full((num_clusters, ), torch.nan, dtype=torch.float64))

    def bind(self, segmentor: nn.Module) -> None:
        """Make room for centroids of the width of the base model's features.

        Raises:
            ValueError: The base model has no classifier layer whose input could serve.
        """
        if segmentor.base.feature_channels is None:
            raise ValueError('ClusteredTemperatureScaling clusters the input of the classifier, which this base model does not '
                             'have; name a layer with features_from, or use TemperatureScaling.')
        self.allocate(segmentor.base.feature_channels)

    def allocate(self, channels: int) -> None:
        """Make room for centroids of features with this many channels."""
        self.clusters = FeatureClusters(self.num_clusters, channels, self.method, self.seed)

    @staticmethod
    def pooled_features(outputs: FrozenOutputs) -> Tensor:
        """Mean feature of each image, padding left out, scaled to length 1; shape (N, C), float64.

        Raises:
            ValueError: The base model yields no features.
        """
        return nn.functional.normalize(outputs.image_features(), dim=1)

    def image_temperatures(self, outputs: FrozenOutputs) -> Tensor:
        """Temperature of each image, shape (N,), float64."""
        return self.clusters.weights(self.pooled_features(outputs), self.soft) @ self.temperatures

    def calibrate(self, outputs: FrozenOutputs, metas: list[dict]) -> Tensor:
        """Divide by the temperature of each image; see :meth:`Calibrator.calibrate`."""
        return outputs.logits / self.image_temperatures(outputs).to(outputs.logits.dtype)[:, None, None, None]

    @property
    def calibrates_sigmoids(self) -> bool:
        """See :attr:`Calibrator.calibrates_sigmoids`."""
        return True

    def start_stage(self, stage: int) -> None:
        """Forget the sums of earlier passes."""
        super().start_stage(stage)
        self._stage = stage
        if stage == 0:
            self._everything, self._own = LikelihoodFit(), LikelihoodFit(self.num_clusters)
            self._features: dict[str, np.ndarray] = {}
        for fit in (self._everything, self._own):
            fit.start_pass()

    def update(self, outputs: FrozenOutputs, labels: Tensor, metas: list[dict]) -> None:
        """Add one batch; see :class:`~mmseg_uncertainty.models.fittable.Fittable`."""
        if self._stage == 0:
            vectors = self.pooled_features(outputs).cpu().numpy()
            self._features.update(zip(map(image_key, metas), vectors))
        for index, (label, meta) in enumerate(zip(labels, metas)):
            key, (pixels, label) = image_key(meta), self.likelihood_pixels(outputs, index, label)
            if self._stage == 0:
                self._everything.add_coarse(key, pixels, label)
            else:
                self._everything.add_fine(key, pixels, label)
                self._own.add_fine(key, pixels, label, self._cluster[key])

    def merge_ranks(self) -> None:
        """Collect the images of all processes."""
        self._features = {key: vector for part in all_gather_object(self._features) for key, vector in part.items()}
        for fit in (self._everything, self._own):
            fit.merge_ranks()

    def finish_stage(self, stage: int) -> None:
        """Find the clusters, then write their temperatures.

        Raises:
            ValueError: No pixel of the calibration images is labelled, or images are too few for the clusters.
        """
        if stage == 0:
            self._find_clusters()
        else:
            for fit in (self._everything, self._own):
                fit.finish_fine()
            self._write_temperatures()

    def needs_another_pass(self, stage: int) -> bool:
        """Whether the second pass did not enclose a temperature; see ``Fittable``."""
        return stage == 1 and (self._everything.needs_another_pass() or self._own.needs_another_pass())

    def _find_clusters(self) -> None:
        check_labelled(not np.isnan(self._everything.coarse_curve().inverse_temperature()), type(self).__name__)
        keys = sorted(self._features)
        vectors = np.stack([self._features[key] for key in keys])
        self.clusters.fit(vectors)
        nearest = self.clusters.weights(torch.from_numpy(vectors).to(self.temperatures.device), soft=False).argmax(dim=1)
        self._cluster = dict(zip(keys, nearest.tolist()))
        self._own.finish_coarse([self._everything.coarse_curve(self._members(index)) for index in range(self.num_clusters)])
        self._everything.finish_coarse()

    def _members(self, cluster: int) -> list[str]:
        return [key for key, index in self._cluster.items() if index == cluster]

    def _write_temperatures(self) -> None:
        everything = temperature_of_all(self._everything.inverses()[0], type(self).__name__)
        inverses = temperatures_of_groups(self._own.inverses(), everything, type(self).__name__)
        for index, inverse in enumerate(inverses.tolist()):
            members = len(self._members(index))
            if members < max(self.min_images, 1):
                inverse = everything
                print_log(f'{type(self).__name__}: cluster {index} has {members} images; it takes the temperature of all.',
                          'current', logging.WARNING)
            self.temperatures[index] = 1 / inverse
            print_log(f'{type(self).__name__}: cluster {index}, {members} images, temperature {1 / inverse:.4f}', 'current')
        self.fitted.fill_(True)
