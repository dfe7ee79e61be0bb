"""Clusters of images by their pooled features."""
from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from mmseg_uncertainty.functional.temperature import cluster_weights

METHODS = ('kmeans', 'gmm')


class FeatureClusters(nn.Module):
    """k-means, or a Gaussian mixture of diagonal covariances, over one vector per image.

    Args:
        num_clusters: Number of clusters G.
        channels: Features per image C.
        method: ``'kmeans'`` or ``'gmm'``.
        seed: Seed of the start.

    Raises:
        ValueError: The method is unknown or there is no cluster.
    """

    def __init__(self, num_clusters: int, channels: int, method: str = 'kmeans', seed: int = 0) -> None:
        super().__init__()
        if method not in METHODS or num_clusters < 1:
            raise ValueError(f'FeatureClusters: method={method!r} must be one of {METHODS}, num_clusters={num_clusters} at '
                             'least 1.')
        self.num_clusters, self.method, self.seed = num_clusters, method, seed
        double = dict(dtype=torch.float64)
        self.register_buffer('centroids', torch.zeros(num_clusters, channels, **double))
        self.register_buffer('variances', torch.ones(num_clusters, channels, **double))
        self.register_buffer('shares', torch.full((num_clusters, ), 1 / num_clusters, **double))

    def fit(self, features: np.ndarray) -> None:
        """Find the clusters; the order of the images makes no difference.

        Args:
            features: Shape (n, C).

        Raises:
            ValueError: There are fewer distinct images than clusters.
        """
        distinct = len(np.unique(features, axis=0))
        if distinct < self.num_clusters:
            raise ValueError(f'FeatureClusters: {distinct} distinct images cannot form {self.num_clusters} clusters; use more '
                             'calibration images or a smaller num_clusters.')
        # Imported late: scikit-learn takes a second, which only fits need.
        from sklearn.cluster import KMeans
        from sklearn.mixture import GaussianMixture
        features = features[np.lexsort(features.T[::-1])]
        if self.method == 'kmeans':
            self._keep(KMeans(self.num_clusters, n_init=5, random_state=self.seed).fit(features).cluster_centers_)
            return
        mixture = GaussianMixture(self.num_clusters, covariance_type='diag', n_init=5, max_iter=1000, reg_covar=1e-4,
                                  random_state=self.seed).fit(features)
        self._keep(mixture.means_)
        self.variances.copy_(torch.from_numpy(mixture.covariances_))
        self.shares.copy_(torch.from_numpy(mixture.weights_))

    def _keep(self, centers: np.ndarray) -> None:
        self.centroids.copy_(torch.from_numpy(centers))

    def weights(self, features: Tensor, soft: bool) -> Tensor:
        """Weight of each cluster for each image: one cluster, or inverse distances or responsibilities if ``soft``.

        Args:
            features: Shape (N, C).
            soft: Whether several clusters may count.

        Returns:
            Shape (N, G), float64, rows sum to 1.
        """
        if self.method == 'kmeans':
            return cluster_weights(features, self.centroids, soft)
        squares = (features.double()[:, None] - self.centroids).square() / self.variances
        responsibility = (self.shares.log() - (squares + self.variances.log()).sum(dim=-1) / 2).softmax(dim=1)
        if soft:
            return responsibility
        return nn.functional.one_hot(responsibility.argmax(dim=1), self.num_clusters).double()
