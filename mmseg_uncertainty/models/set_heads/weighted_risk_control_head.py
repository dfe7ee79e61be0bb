"""Prediction sets for images that come from elsewhere than the calibration images."""
from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import torch
from mmengine.logging import print_log
from mmseg.registry import MODELS

from mmseg_uncertainty.functional.likelihood_ratios import LikelihoodRatio, cross_fitted_weights, fit_likelihood_ratio
from mmseg_uncertainty.functional.weighted_risk_control import WeightedRisk
from mmseg_uncertainty.structures import FrozenOutputs, MethodInfo

from .embedding_set_head import EmbeddingSetHead
from .set_head import split_risk

WEIGHTS = ('disjoint', 'crossed')
FEWEST = 4
# A likelihood ratio has the mean 1 over the calibration distribution; below this, its estimate speaks of two worlds.
SMALLEST_MEAN = 0.3


@MODELS.register_module()
class WeightedRiskControlHead(EmbeddingSetHead):
    r"""Conformal risk control in which calibration images count by how much they look like unlabelled target images.

    A classifier between embeddings of calibration and target images gives the likelihood ratio w(x). The expected loss of a
    further image of the target is at most :math:`\alpha`, where its labels depend on the image as those of the calibration do
    and w is right; what a wrong w costs is bounded in docs/adaptive_sets.md. Every image is compared with a threshold of its own,
    since its own weight counts; one that is unlike all calibration images gets the set of all classes.

    Target images come by ``target_dataloader`` of :class:`~mmseg_uncertainty.engine.CalibrationLoop`, or by :meth:`reweight`.

    Args:
        num_classes: Number of classes.
        risks: See :class:`~mmseg_uncertainty.models.set_heads.ConformalRiskControlHead`.
        embedding: What the classifier sees, see :class:`~mmseg_uncertainty.models.set_heads.image_embedding.ImageEmbedding`.
        weights: ``'disjoint'`` lets the classifier see calibration images that choose no threshold, which makes w a function chosen
            beforehand; ``'crossed'`` uses all images for both, each weighed by a classifier that has not seen it, and promises
            nothing exactly.
        share: Share of the calibration images for the classifier with ``'disjoint'``.
        folds: Parts of the images with ``'crossed'``.
        components: Number of principal axes of the embeddings at most.
        penalty: Weight of half the squared coefficients beside the sum of log-losses; larger ones make weights more equal.
        largest_weight: Weights beyond are cut.
        seed: Seed of the division in folds.
        options: Arguments of :class:`~mmseg_uncertainty.models.set_heads.curve_set_head.CurveSetHead`.

    Attributes:
        effective: How many images of equal weight say as much as the weighted ones; NaN before :meth:`reweight`.
        weights: Weight of each calibration image, shape (n,), NaN where it chose no threshold.

    Raises:
        ValueError: An option is out of range.
    """

    info = MethodInfo('Conformal prediction under covariate shift', 'Tibshirani et al.', 2019,
                      needs={'logits', 'labels', 'images'}, fitted=True, venue='NeurIPS', url='https://arxiv.org/abs/1904.06019')
    reads_target = True

    def __init__(self,
                 num_classes: int,
                 risks: Sequence[dict] = (dict(loss='miscoverage', alpha=0.1), ),
                 embedding: Sequence[str] = ('confidence', 'brightness'),
                 weights: str = 'disjoint',
                 share: float = 0.3,
                 folds: int = 5,
                 components: int = 8,
                 penalty: float = 1.0,
                 largest_weight: float = 20.0,
                 seed: int = 0,
                 **options) -> None:
        super().__init__(num_classes, embedding, **options)
        if weights not in WEIGHTS or not 0 < share < 1 or folds < 2:
            raise ValueError(f'WeightedRiskControlHead: weights={weights!r} must be one of {WEIGHTS}, share={share} lie in (0, 1) '
                             f'and folds={folds} be at least 2.')
        if penalty <= 0 or components < 1 or largest_weight <= 0:
            raise ValueError(f'WeightedRiskControlHead: penalty={penalty} and largest_weight={largest_weight} must be above 0 and '
                             f'components={components} at least 1.')
        self.crossed, self.folds, self.seed = weights == 'crossed', folds, seed
        self.classifier = dict(components=components, penalty=penalty, largest=largest_weight)
        if not self.crossed:
            self.shares = dict(weights=share, risk=1 - share)
        self.register_buffer('effective', torch.tensor(torch.nan, dtype=torch.float64))
        self.register_buffer('feasible', torch.zeros((), dtype=torch.bool))
        self._weighted: list[WeightedRisk] | None = None
        self.promise(risks)

    def promise(self, risks: Sequence[dict]) -> None:
        """Set what is promised; see the class.

        Raises:
            ValueError: An option is out of range.
        """
        if not risks:
            raise ValueError('WeightedRiskControlHead: risks is empty; give at least one, such as dict(alpha=0.1).')
        self.losses, self.targets = zip(*(split_risk(risk, self.num_classes) for risk in risks))
        self._weighted = None

    def is_fitted(self) -> bool:
        """Whether weights were fitted or loaded."""
        return bool(self.kept.fitted.numel())

    def nominal_coverage(self) -> float:
        """Share of the pixels that the first risk wants covered, in (0, 1)."""
        return self.losses[0].get('coverage', 1 - self.targets[0].alpha)

    def start_target(self) -> None:
        """Forget earlier target images."""
        self.kept.start('target')

    def update_target(self, outputs: FrozenOutputs) -> None:
        """Embed one batch of target images, which have no labels."""
        self.kept.add_target(self.embed(outputs, self.probabilities(outputs.logits)))

    def finish_target(self) -> None:
        """Weigh the calibration images by the target images."""
        self.kept.merge_ranks('target')
        self.kept.finish('target')
        self.reweight()

    def reweight(self, target: np.ndarray | None = None) -> None:
        """Choose weights for target images, without a pass over any calibration image.

        Args:
            target: Embeddings of target images as :meth:`embed` gives them, shape (m, D); ``None`` takes those that were kept.

        Raises:
            RuntimeError: There are no calibration images.
            ValueError: There are too few images of one kind.
        """
        self.kept_table()
        if target is not None:
            self.kept.put('target', target)
        target, values = self.kept.array('target'), self.kept.array('values')
        if len(target) < FEWEST:
            raise ValueError(f'WeightedRiskControlHead: {len(target)} target images; give at least {FEWEST} without labels, by '
                             'train_cfg=dict(target_dataloader=…), --target DIR of fit, or fit(…, target_images=…).')
        if self.crossed:
            _, ratio = cross_fitted_weights(values, target, self.folds, self.seed, **self.classifier)
        else:
            source = self.part('weights')
            if len(source) < FEWEST:
                raise ValueError(f'WeightedRiskControlHead: {len(source)} calibration images for the classifier; give more images, '
                                 "a larger share, or weights='crossed'.")
            ratio = fit_likelihood_ratio(values[source], target, **self.classifier)
        self.kept.put('fitted', np.append(ratio.coefficients, ratio.intercept)[None])
        self._weighted = None
        self._report(ratio.weights(target))

    def recalibrate(self, **promise) -> None:
        """Make another promise from the kept curves and weights; arguments of :meth:`promise`."""
        self.promise(**promise)
        self._report(self.ratio.weights(self.kept.array('target')))

    @property
    def ratio(self) -> LikelihoodRatio:
        """The likelihood ratio as a function of embeddings.

        Raises:
            RuntimeError: The head has seen no target images.
        """
        rows = self.kept.array('fitted')
        if not len(rows):
            raise RuntimeError('WeightedRiskControlHead has seen no images from where the model will be used: fit with --target, '
                               'target_dataloader of the CalibrationLoop or target_images, or call adapt.')
        row = rows[0]
        return LikelihoodRatio(row[:-1], float(row[-1]), self.classifier['largest'])

    @property
    def weights(self) -> np.ndarray:
        """Weight of each calibration image; see the class."""
        values = self.kept.array('values')
        if self.crossed:
            return cross_fitted_weights(values, self.kept.array('target'), self.folds, self.seed, **self.classifier)[0]
        weights, chosen = np.full(len(values), np.nan), self.part('risk')
        weights[chosen] = self.ratio.weights(values[chosen])
        return weights

    def weighted_risks(self) -> list[WeightedRisk]:
        """Weighted losses of the calibration images for each promise."""
        if self._weighted is None:
            chosen = self.part('risk')
            weights = self.weights[chosen]
            self._weighted = [WeightedRisk.of(self.losses_of(chosen, **loss), weights, target.alpha)
                              for loss, target in zip(self.losses, self.targets)]
        return self._weighted

    def image_thresholds(self, embeddings: np.ndarray) -> np.ndarray:
        """See :class:`~mmseg_uncertainty.models.set_heads.embedding_set_head.EmbeddingSetHead`."""
        weights = self.ratio.weights(embeddings)
        return np.min([risk.thresholds(weights) for risk in self.weighted_risks()], axis=0)

    def _load_from_state_dict(self, *args) -> None:
        super()._load_from_state_dict(*args)
        self._weighted = None

    def _report(self, target_weights: np.ndarray) -> None:
        risks = self.weighted_risks()
        self.effective.fill_(min(risk.effective for risk in risks))
        self.feasible.fill_(all((risk.thresholds(target_weights) > 0).any() for risk in risks))
        for loss, target, risk in zip(self.losses, self.targets, risks):
            thresholds = risk.thresholds(target_weights)
            everything, mean = float((thresholds == 0).mean()), risk.total / max(risk.num_images, 1)
            text = (f'WeightedRiskControlHead: {loss} at {target}: {risk.num_images} images count as {risk.effective:.1f} of equal '
                    f'weight, mean weight {mean:.3g}; median lambda of the target images {1 - np.median(thresholds):.6g}, all '
                    f'classes in {100 * everything:.0f} % of them')
            if mean < SMALLEST_MEAN:
                text += ('. A likelihood ratio has a mean of 1: calibration and target share no images that look alike, and the '
                         'effective number says nothing')
            if everything >= 0.5:
                needed = risk.images_needed(float(np.median(target_weights)))
                text += (f'. {risk.num_images} images like these are too few for a target image of median weight, which needs at '
                         f'least {needed}, and several times as many for sets of use; calibrate with images like the target')
            print_log(f'{text}.', 'current', logging.WARNING if everything >= 0.5 or mean < SMALLEST_MEAN else logging.INFO)
