"""Mixtures weigh as those of scikit-learn."""
import numpy as np
import torch
from sklearn.mixture import GaussianMixture

from mmseg_uncertainty.models.calibrators.feature_clusters import FeatureClusters


def test_responsibilities_are_those_of_the_mixture():
    random = np.random.default_rng(0)
    features = np.concatenate([random.normal(size=(60, 3)), 1.5 + 2 * random.normal(size=(40, 3))])
    clusters = FeatureClusters(2, 3, 'gmm')
    clusters.fit(features)
    mixture = GaussianMixture(2, covariance_type='diag')
    mixture.weights_, mixture.means_ = clusters.shares.numpy(), clusters.centroids.numpy()
    mixture.covariances_ = clusters.variances.numpy()
    mixture.precisions_cholesky_ = 1 / np.sqrt(mixture.covariances_)
    soft = clusters.weights(torch.from_numpy(features), soft=True).numpy()
    np.testing.assert_allclose(soft, mixture.predict_proba(features), atol=1e-9)
    assert ((0.05 < soft) & (soft < 0.95)).any()
