"""Prediction sets whose thresholds depend on the position in the image."""
from __future__ import annotations

import logging
import zlib
from pathlib import Path

import numpy as np
import torch
from mmengine.dist import all_reduce
from mmengine.logging import print_log
from mmseg.registry import MODELS
from torch import Tensor

from mmseg_uncertainty.functional.conformal_losses import image_loss, tabulate
from mmseg_uncertainty.functional.conformal_splits import part_of
from mmseg_uncertainty.functional.conformity_histogram import OCTAVES, conformity_histogram, scores_needed
from mmseg_uncertainty.functional.nonconformity_curves import (ALL_CLASSES, CLASS_SCORES, group_thresholds,
                                                               threshold_conformity)
from mmseg_uncertainty.functional.position_groups import (GROUPINGS, LEARNED_GROUPINGS, cell_index, curve_features,
                                                          learned_map, zone_map)
from mmseg_uncertainty.functional.risk_control import RiskTarget, control_risk
from mmseg_uncertainty.label_values import VOID
from mmseg_uncertainty.structures import FrozenOutputs, MethodInfo, Place

from .conformity_curves import ConformityCurves
from .released_curves import ReleasedCurves
from .set_head import SetHead, split_risk

FEATURE_LEVELS = np.array([60, 70, 80, 90]) / 99
SCORE_BINS = 128
VARIANTS = ('exact', 'published')


@MODELS.register_module()
class KandinskyHead(SetHead):
    """Calibrate each class in each group of positions, on the scores of the pixels where the class is true.

    Positions are cells of a grid laid over the image, so the state does not grow with the image. Groups are learned on
    one part of the calibration images and thresholds chosen on another. Thresholds hold for a further score
    exchangeable with those of its group; pixels of one image are not, so ``risk`` calibrates one more number on a third
    part, which gives the image-level promise of conformal risk control.

    ``variant='published'`` reproduces the released code for images of one size: curves in half precision without
    finite-sample correction, at single pixels, with groups learned on the scores that fill them, and sets that may be
    empty. Of the options it reads ``alpha``, ``grouping`` (``'image'``, ``'pixel'`` or ``'kmeans'``), ``num_groups``,
    ``foreground``, ``seed`` and ``activation``.

    Args:
        num_classes: Number of classes.
        alpha: Share of the pixels of a class that may miss it, in (0, 1).
        grouping: ``'image'``, ``'pixel'`` (every cell by itself), ``'zones'``, ``'kmeans'``, ``'annuli'`` or
            ``'fourier'``.
        num_groups: Number of learned groups.
        zones: Rows and columns of ``'zones'``.
        grid: Rows and columns of cells.
        shares: Shares of the images for groups, thresholds and risk; shares of steps that do not occur are not used.
            Images are divided by ``calibration_position`` of their metas, which
            :class:`~mmseg_uncertainty.datasets.CalibrationPlan` gives them, else by name.
        prior: Scores at which a cell counts as much as the whole image when groups are learned.
        bits: Precision of the streamed scores; bins are narrower than 2 ** -bits of the score.
        force_top: Whether the arg-max is in every set, so that no set is empty.
        risk: ``alpha`` and options of an image loss, as in
            :class:`~mmseg_uncertainty.models.set_heads.ConformalRiskControlHead`; ``None`` promises nothing for images.
        seed: Seed of learned groups.
        variant: ``'exact'`` or ``'published'``.
        foreground: Published variant only, class whose scores are clustered.
        activation: See :class:`~mmseg_uncertainty.models.set_heads.SetHead`.
        init_cfg: See :class:`mmengine.model.BaseModule`.

    Raises:
        ValueError: An option is out of range.
    """

    info = MethodInfo(
        'Kandinsky conformal prediction: efficient calibration of image segmentation algorithms',
        'Brunekreef et al.', 2024, needs={'logits', 'labels'}, fitted=True,
        venue='CVPR', url='https://arxiv.org/abs/2311.11837')

    def __init__(self,
                 num_classes: int,
                 alpha: float = 0.1,
                 grouping: str = 'kmeans',
                 num_groups: int = 4,
                 zones: tuple[int, int] = (3, 3),
                 grid: tuple[int, int] = (36, 48),
                 shares: tuple[float, float, float] = (0.3, 0.4, 0.3),
                 prior: float = 100.0,
                 bits: int = 6,
                 force_top: bool = True,
                 risk: dict | None = None,
                 seed: int = 0,
                 variant: str = 'exact',
                 foreground: int = 1,
                 activation: str | None = None,
                 init_cfg: dict | None = None) -> None:
        super().__init__(num_classes, activation, init_cfg)
        if grouping not in GROUPINGS or variant not in VARIANTS:
            raise ValueError(f'KandinskyHead: grouping={grouping!r} must be one of {GROUPINGS} and variant={variant!r} '
                             f'one of {VARIANTS}.')
        if num_groups < 1 or min(shares) <= 0 or not 0 <= bits <= 23 or prior <= 0:
            raise ValueError(f'KandinskyHead: num_groups={num_groups} must be at least 1, shares={tuple(shares)} and '
                             f'prior={prior} above 0, and bits={bits} in 0..23.')
        if variant == 'published' and risk is not None:
            raise ValueError("KandinskyHead: variant='published' promises no risk; leave it out or set variant='exact'.")
        self.target = RiskTarget(alpha)
        self.risk_loss, self.risk_target = (None, None) if risk is None else split_risk(risk, num_classes)
        self.grouping, self.seed, self.prior = grouping, seed, prior
        self.bits, self.force_top = bits, force_top
        self.released = None
        occurs = dict(groups=grouping in LEARNED_GROUPINGS, thresholds=True, risk=risk is not None)
        if variant == 'published':
            self.released = ReleasedCurves(num_classes, grouping, num_groups, foreground, seed)
            occurs = dict(released=True)
        self.steps = [step for step, does in occurs.items() if does]
        self.stages = len(self.steps)
        self.shares = {step: share for step, share in zip(occurs, shares) if step in self.steps}
        self.curves = ConformityCurves(num_classes)
        cells = {} if variant == 'published' else dict(pixel=tuple(grid), zones=tuple(zones))
        fixed = zone_map(grid, *cells.get(grouping, (1, 1)))
        count = num_groups if grouping in LEARNED_GROUPINGS else int(fixed.max()) + 1
        self.register_buffer('group_map', torch.from_numpy(fixed).to(torch.int16))
        self.register_buffer('thresholds', torch.full((count, num_classes), torch.nan, dtype=torch.float64))
        self.register_buffer('source', torch.zeros((count, num_classes), dtype=torch.uint8))
        self.register_buffer('odds', torch.ones((), dtype=torch.float64))

    def is_fitted(self) -> bool:
        """Whether thresholds were calibrated or loaded."""
        return self.released.is_fitted() if self.released is not None else not bool(self.thresholds.isnan().any())

    def nominal_coverage(self) -> float:
        """Share of the pixels of a class that are to be covered, in (0, 1)."""
        return 1 - self.target.alpha

    def position_groups(self) -> Tensor:
        """Group of each cell of the grid, or of each pixel in the published variant; shape (rows, columns)."""
        released = self.released is not None and self.released.groups.numel()
        return self.released.groups if released else self.group_map

    def start_stage(self, stage: int) -> None:
        """Start the statistics of the groups, the thresholds or the risk."""
        self.start_images()
        self.step, self.images = stage, torch.zeros((), dtype=torch.int64)
        rows, columns = self.group_map.shape
        bins = dict(groups=(rows * columns, SCORE_BINS),
                    thresholds=(self.thresholds.numel(), (OCTAVES << self.bits) + 2)).get(self.steps[stage], (0, ))
        self.counts = torch.zeros(bins, dtype=torch.int64)
        self.curves.reset()
        if self.released is not None:
            self.released.reset()

    def update(self, outputs: FrozenOutputs, labels: Tensor, metas: list[dict]) -> None:
        """Add the images of one batch that belong to the part of this stage; see ``Fittable``."""
        probabilities = self.add_images(outputs.logits, metas)
        filled, valid = self.valid_labels(labels)
        for index, meta in enumerate(metas):
            if self._part(meta) == self.step:
                self.images += 1
                part = slice(index, index + 1)
                pixels = [probabilities[part], filled[part], valid[part]]
                if self.steps[self.step] == 'risk':
                    pixels.append(outputs.output.of(index).classes)
                getattr(self, f'_add_{self.steps[self.step]}')(*pixels)

    def merge_ranks(self) -> None:
        """Sum over all processes."""
        self.merge_images()
        all_reduce(self.counts)
        all_reduce(self.images)
        self.curves.merge_ranks()
        if self.released is not None:
            self.released.merge_ranks()

    def finish_stage(self, stage: int) -> None:
        """Learn the groups, choose the thresholds, or control the risk.

        Raises:
            ValueError: No image fell to the part of this stage.
        """
        step = self.steps[stage]
        if not self.images:
            shares = ', '.join(f'{name} {share:g}' for name, share in self.shares.items())
            raise ValueError(f'KandinskyHead: no calibration image fell to the part for {step} (shares: {shares}). '
                             'Calibrate with more images or shorter blocks (block_length of CalibrationLoop), or enlarge '
                             'the share.')
        getattr(self, f'_finish_{step}')()
        print_log(f'KandinskyHead: {step} from {int(self.images)} images', 'current')

    def sets(self, probabilities: Tensor, predicted: Tensor | None = None, place: Place | None = None) -> Tensor:
        """Prediction sets; arguments as in :meth:`forward`."""
        place = place or Place.whole(probabilities.shape[-2:])
        if self.released is not None:
            return self.released.sets(probabilities, place)
        groups = self._groups(place.size)[place.window.slices]
        thresholds = (self.thresholds * self.odds).where(self.thresholds > 0, 0).to(probabilities.dtype)
        membership = torch.empty_like(probabilities, dtype=torch.bool)
        for label in range(self.num_classes):
            membership[:, label] = probabilities[:, label] >= thresholds[:, label][groups]
        if self.force_top:
            top = probabilities.argmax(dim=1) if predicted is None else predicted.long()
            membership.scatter_(1, top.unsqueeze(1), True)
        return membership

    def _part(self, meta: dict) -> int:
        """Which part of the calibration images an image belongs to; the same in any order and process."""
        position = meta.get('calibration_position')
        if position is None:
            position = zlib.crc32(Path(meta['img_path']).stem.encode()) / 2**32
        return part_of(position, tuple(self.shares.values()))

    def _cells(self, size: torch.Size) -> Tensor:
        """Cell of each pixel, shape (H, W), int64."""
        return torch.from_numpy(cell_index(size, self.group_map.shape)).to(self.group_map.device)

    def _groups(self, size: torch.Size) -> Tensor:
        """Group of each pixel, shape (H, W), int64."""
        return self.group_map.flatten().long()[self._cells(size)]

    def _add_groups(self, probabilities: Tensor, labels: Tensor, valid: Tensor) -> None:
        score = 1 - probabilities.gather(1, labels.unsqueeze(1))[0, 0]
        score_bin = (score * SCORE_BINS).long().clamp(0, SCORE_BINS - 1)
        index = (self._cells(score.shape) * SCORE_BINS + score_bin)[valid[0]]
        self.counts += torch.bincount(index.cpu(), minlength=self.counts.numel()).view_as(self.counts)

    def _add_thresholds(self, probabilities: Tensor, labels: Tensor, valid: Tensor) -> None:
        conformity = probabilities.gather(1, labels.unsqueeze(1))[0, 0]
        group = self._groups(conformity.shape) * self.num_classes + labels[0]
        kept = conformity[valid[0]].cpu(), group[valid[0]].cpu()
        conformity_histogram(*kept, len(self.counts), self.bits, out=self.counts)

    def _add_risk(self, probabilities: Tensor, labels: Tensor, valid: Tensor, predicted: Tensor) -> None:
        chosen = probabilities.gather(1, labels.unsqueeze(1))[:, 0].double()
        thresholds = self.thresholds[self._groups(chosen.shape[-2:]), labels[0]]
        # Tables hold float32: rounding up there would promise what the sets do not keep.
        conformity = (threshold_conformity(chosen, thresholds) - 2.0**-24).clamp(min=0)
        if self.force_top:
            conformity = conformity.masked_fill(labels == predicted, 1.0)
        self.curves.add(tabulate(conformity, labels.masked_fill(~valid, VOID), self.num_classes))

    def _add_released(self, probabilities: Tensor, labels: Tensor, valid: Tensor) -> None:
        self.released.add(probabilities.gather(1, labels.unsqueeze(1))[0, 0], labels[0], valid[0])

    def _finish_released(self) -> None:
        self.released.finish(self.target.alpha)

    def _finish_groups(self) -> None:
        rows, columns = self.group_map.shape
        features = curve_features(self.counts.view(rows, columns, SCORE_BINS).numpy(), FEATURE_LEVELS, self.prior)
        groups = learned_map(self.grouping, features, len(self.thresholds), self.seed)
        self.group_map.copy_(torch.from_numpy(groups))

    def _finish_thresholds(self) -> None:
        histogram = self.counts.view(*self.thresholds.shape, -1).numpy()
        thresholds, source = group_thresholds(histogram, self.target.alpha)
        self.thresholds.copy_(torch.from_numpy(thresholds))
        self.source.copy_(torch.from_numpy(source))
        for kind, fallback in ((CLASS_SCORES, 'the scores of the class anywhere'), (ALL_CLASSES, 'always containing it')):
            if (source == kind).any():
                labels = sorted(set(np.nonzero(source == kind)[1].tolist()))
                print_log(f'KandinskyHead: {(source == kind).sum()} of {source.size} groups of classes have fewer than '
                          f'{scores_needed(self.target.alpha)} scores, too few for {self.target}, and fall back to '
                          f'{fallback}; classes {labels}', 'current', logging.WARNING)

    def _finish_risk(self) -> None:
        self.curves.finish()
        result = control_risk(image_loss(self.curves.table(), **self.risk_loss), self.risk_target)
        self.curves.clear()
        self.report([result], [f'{self.risk_loss} at {self.risk_target}'])
        self.odds.fill_(result.threshold / (1 - result.threshold) if result.threshold < 1 else torch.inf)
