"""Prediction sets whose threshold is a linear function of an embedding of the image."""
from __future__ import annotations

import logging
from collections.abc import Sequence

import numpy as np
import torch
from mmengine.logging import print_log
from mmseg.registry import MODELS
from scipy.special import logit

from mmseg_uncertainty.functional.adaptive_thresholds import (LossSteps, ROUNDED_DOWN, imputed_log_odds, learned_direction,
                                                              loss_steps, shifted_loss, threshold_of_log_odds)
from mmseg_uncertainty.functional.embedding_axes import embedding_axes
from mmseg_uncertainty.functional.risk_control import control_risk, images_needed
from mmseg_uncertainty.structures import MethodInfo

from .embedding_set_head import EmbeddingSetHead
from .set_head import split_risk

METHODS = ('imputed', 'split')


@MODELS.register_module()
class AdaptiveRiskControlHead(EmbeddingSetHead):
    r"""Choose for each image a threshold whose log-odds are linear in an embedding of the image.

    ``'imputed'`` solves a small linear program for every image, over the calibration images and this one at its worst. The expected
    loss is at most :math:`\alpha`, and so it is under every reweighting of the images by a non-negative linear function of the
    embedding: where an image looks hard no more is lost than where it looks easy. ``'split'`` learns the linear function on one part
    of the images and controls an offset on the others; it keeps the risk over all images alone, but costs nothing at run time and
    takes every ``control``. Theorems in docs/adaptive_sets.md.

    Args:
        num_classes: Number of classes.
        risks: One promise, see :class:`~mmseg_uncertainty.models.set_heads.ConformalRiskControlHead`.
        method: ``'imputed'`` or ``'split'``.
        control: With ``'split'``, see :class:`~mmseg_uncertainty.functional.risk_control.RiskTarget`.
        delta: Likewise.
        embedding: See :class:`~mmseg_uncertainty.models.set_heads.image_embedding.ImageEmbedding`.
        components: Number of principal axes of the embedding at most. Embeddings that have more numbers, or features, are reduced
            to their axes, which are found on the first part of the images, so that no axis depends on images that choose
            thresholds. Every axis needs images: about :math:`(d + 1) / \alpha` before sets are of use.
        share: Share of the images for that, and for learning with ``'split'``.
        penalty: With ``'split'``, see :func:`~mmseg_uncertainty.functional.adaptive_thresholds.learned_direction`.
        resolution: With ``'imputed'``, see :func:`~mmseg_uncertainty.functional.adaptive_thresholds.loss_steps`.
        options: Arguments of :class:`~mmseg_uncertainty.models.set_heads.curve_set_head.CurveSetHead`.

    Attributes:
        feasible: Whether the images sufficed for the promise.

    Raises:
        ValueError: An option is out of range.
    """

    info = MethodInfo('Automatically adaptive conformal risk control', 'Blot et al.', 2025, needs={'logits', 'labels'},
                      fitted=True, venue='AISTATS', url='https://arxiv.org/abs/2406.17819')

    def __init__(self,
                 num_classes: int,
                 risks: Sequence[dict] = (dict(loss='miscoverage', alpha=0.1), ),
                 method: str = 'imputed',
                 control: str = 'crc',
                 delta: float = 0.1,
                 embedding: Sequence[str] = ('confidence', ),
                 components: int = 3,
                 share: float = 0.4,
                 penalty: float = 1e-3,
                 resolution: int = 32,
                 **options) -> None:
        super().__init__(num_classes, embedding, **options)
        if method not in METHODS or method == 'imputed' and control != 'crc':
            raise ValueError(f"AdaptiveRiskControlHead: method={method!r} must be one of {METHODS}, and control={control!r} be "
                             "'crc' unless method='split'.")
        if components < 1 or not 0 < share < 1 or penalty < 0 or resolution < 1:
            raise ValueError(f'AdaptiveRiskControlHead: components={components} and resolution={resolution} must be at least 1, '
                             f'share={share} lie in (0, 1) and penalty={penalty} be at least 0.')
        self.method, self.components, self.penalty, self.resolution = method, components, penalty, resolution
        self.reduces = self.embedding.size is None or self.embedding.size > components
        if method == 'split' or self.reduces:
            self.shares = dict(embedding=share, risk=1 - share)
        self.register_buffer('feasible', torch.zeros((), dtype=torch.bool))
        self._program: tuple[LossSteps, np.ndarray] | None = None
        self.promise(risks, control, delta)

    def promise(self, risks: Sequence[dict], control: str = 'crc', delta: float = 0.1) -> None:
        """Set what is promised; arguments as in the class.

        Raises:
            ValueError: An option is out of range, or there are several risks.
        """
        if len(risks) != 1:
            raise ValueError(f'AdaptiveRiskControlHead: {len(risks)} risks; give exactly one.')
        self.loss, self.target = split_risk(risks[0], self.num_classes, control, delta)

    def is_fitted(self) -> bool:
        """Whether thresholds were fitted or loaded."""
        return bool(self.kept.fitted.numel())

    def nominal_coverage(self) -> float:
        """Share of the pixels that the risk wants covered, in (0, 1)."""
        return self.loss.get('coverage', 1 - self.target.alpha)

    def finish_stage(self, stage: int) -> None:
        """Keep curves and embeddings, and fit what thresholds are made of."""
        super().finish_stage(stage)
        self._calibrate()

    def recalibrate(self, **promise) -> None:
        """Make another promise from what was kept, without the images; arguments of :meth:`promise`."""
        self.promise(**promise)
        self._calibrate()

    def features(self, embeddings: np.ndarray) -> np.ndarray:
        r""":math:`\varphi` of embeddings (N, D), the first being 1; with ``'split'`` learned log-odds in place of all others."""
        maps = self.kept.array('fitted')
        return np.column_stack([np.ones(len(embeddings)), embeddings @ maps[:, :-1].T + maps[:, -1]])

    def image_thresholds(self, embeddings: np.ndarray) -> np.ndarray:
        """See :class:`~mmseg_uncertainty.models.set_heads.embedding_set_head.EmbeddingSetHead`."""
        features = self.features(embeddings)
        if self.method == 'split':
            return threshold_of_log_odds(features[:, 1] - ROUNDED_DOWN)
        if self._program is None:
            chosen = self.part('risk')
            loss = self.losses_of(chosen, **self.loss)
            self._program = (loss_steps(loss, self.target.alpha, self.resolution),
                             self.features(self.kept.array('values')[chosen][loss.defined]))
        return threshold_of_log_odds([imputed_log_odds(*self._program, one, self.target.alpha) for one in features])

    def group_risks(self, groups: int = 3) -> list[dict]:
        """Mean loss of the images that chose the thresholds, in groups by the threshold that the embedding asks for.

        These images were used, so that this tells how even the risk is rather than what it will be.

        Args:
            groups: Number of groups of about equal size.

        Returns:
            ``images``, ``risk`` and its standard ``error`` of each group, from the largest sets on.
        """
        chosen = self.part('risk')
        loss = self.losses_of(chosen, **self.loss)
        thresholds = self.image_thresholds(self.kept.array('values')[chosen])
        losses = np.array([loss.at([threshold])[index, 0] for index, threshold in enumerate(thresholds)])
        rows = []
        for part in np.array_split(np.argsort(thresholds, kind='stable'), groups):
            own = losses[part][~np.isnan(losses[part])]
            rows.append(dict(images=len(own), risk=float(own.mean()) if len(own) else float('nan'),
                             error=float(own.std(ddof=1) / np.sqrt(len(own))) if len(own) > 1 else float('nan')))
        return rows

    def _load_from_state_dict(self, *args) -> None:
        super()._load_from_state_dict(*args)
        self._program = None

    def _calibrate(self) -> None:
        self._program = None
        self.kept_table()
        values = self.kept.array('values')
        first = self.part('embedding')
        if len(first) < 2:
            raise ValueError(f'AdaptiveRiskControlHead: {len(first)} calibration images for the embedding; give at least 2.')
        axes = embedding_axes(values[first], self.components) if self.reduces or self.method == 'split' else None
        if axes is None:
            # Any invertible map of all numbers leaves the thresholds as they are; this one keeps the program well conditioned.
            scale = 1 / np.maximum(values.std(axis=0), 1e-9 * np.maximum(np.abs(values).max(axis=0), 1e-9))
            maps = np.column_stack([np.diag(scale), -values.mean(axis=0) * scale])
        else:
            maps = np.column_stack([axes.basis.T, -axes.mean @ axes.basis])
        self.kept.put('fitted', maps)
        self._split() if self.method == 'split' else self._check_images()

    def _split(self) -> None:
        values, first, chosen = self.kept.array('values'), self.part('embedding'), self.part('risk')
        learning = self.losses_of(first, **self.loss)
        if not learning.defined.any():
            raise ValueError(f'AdaptiveRiskControlHead: none of the {len(first)} images to learn from has the loss {self.loss}.')
        steps = loss_steps(learning, self.target.alpha, self.resolution)
        theta = learned_direction(steps, self.features(values[first][learning.defined]), self.target.alpha, self.penalty)
        maps = self.kept.array('fitted')
        row = theta[1:] @ maps
        row[-1] += theta[0]
        self.kept.put('fitted', row[None])
        result = control_risk(shifted_loss(self.losses_of(chosen, **self.loss), self.features(values[chosen])[:, 1]), self.target)
        with np.errstate(divide='ignore'):
            row[-1] += logit(result.threshold)
        self.kept.put('fitted', row[None])
        self.feasible.fill_(result.feasible)
        self.report([result], [f'{self.loss} at {self.target}, in offsets of the log-odds'])

    def _check_images(self) -> None:
        chosen = self.part('risk')
        images, needed = int(self.losses_of(chosen, **self.loss).defined.sum()), images_needed(self.target)
        self.feasible.fill_(images >= needed)
        name, numbers = f'AdaptiveRiskControlHead: {self.loss} at {self.target}', len(self.kept.fitted) + 1
        if images < needed:
            print_log(f'{name}: {images} images are too few for this promise, which needs at least {needed}, and several times '
                      'as many for sets of use; the set of all classes takes its place.', 'current', logging.WARNING)
        else:
            print_log(f'{name}: thresholds linear in {numbers} numbers, from {images} images', 'current')
