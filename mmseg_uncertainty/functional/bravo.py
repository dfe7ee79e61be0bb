r"""Metrics and index of the BRAVO challenge: mistakes on altered street scenes, and the altered pixels themselves.

Vu et al., "The BRAVO Semantic Segmentation Challenge Results in UNCV2024", 2024. A pixel carries the confidence of its predicted
class as one of 65,536 levels; level i stands for (i + 1/2) / 65536. Void pixels never count. Pixels of altered places are
*invalid*, the others *valid*. The semantic half asks of valid pixels how good the classes are and how well confidence tells
right from wrong ones, the out-of-distribution half how well its lack tells invalid from valid ones.

Counts per level are sufficient for all of it, so that images add up, and nothing is lost beyond the levels. The challenge itself
counts at most 100,000 pixels of an image, from a list of its own; these functions count what they are given.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from .corruption_average import harmonic_mean
from .ranking import auroc, average_precision, defined_mean, fpr_at_tpr, ratio

LEVELS = 1 << 16
BINS = 15
SEMANTIC = ('mIoU', 'ECE', 'AUROC', 'AP_success', 'AP_error', 'FPR95')
OOD = ('OOD_AUROC', 'OOD_AP', 'OOD_FPR95')
FALLING = ('ECE', 'FPR95', 'OOD_FPR95')
SUBSETS: dict[str, tuple[str, ...]] = dict(
    ACDCfog=SEMANTIC, ACDCrain=SEMANTIC, ACDCnight=SEMANTIC, ACDCsnow=SEMANTIC, synrain=SEMANTIC, SMIYC=OOD,
    synobjs=SEMANTIC + OOD, synflare=SEMANTIC, outofcontext=SEMANTIC)


def confidence_levels(confidence: Tensor) -> Tensor:
    """Level of every confidence, as submissions to the challenge hold it.

    Args:
        confidence: Any shape, in [0, 1].

    Returns:
        Same shape, int64 in [0, 65535].

    Examples:
        >>> confidence_levels(torch.tensor([0., .5, 1.])).tolist()
        [0, 32768, 65535]
    """
    return (confidence.double() * LEVELS).floor().long().clamp(0, LEVELS - 1)


def level_calibration_error(right: np.ndarray, wrong: np.ndarray, bins: int = BINS) -> float:
    r"""ECE over ``bins`` groups of neighbouring levels, in [0, 1]; NaN without pixels.

    Group b ends before level :math:`\lfloor 65536 (b + 1) / \mathrm{bins} \rceil`.

    Args:
        right: Pixels with the right class at each level, shape (L,).
        wrong: Pixels with another class at each level, shape (L,).
        bins: Number of groups; L where it is larger.

    Examples:
        >>> level_calibration_error(right=np.array([0, 1]), wrong=np.array([0, 1]), bins=2)  # 1/2 are right, the level says 3/4
        0.25
    """
    right, wrong = np.asarray(right, float), np.asarray(wrong, float)
    pixels, levels = right + wrong, right.size
    gaps = pixels * (np.arange(levels) + .5) / levels - right
    starts = np.round(np.linspace(0, levels, min(bins, levels) + 1)).astype(np.int64)[:-1]
    return float(ratio(np.abs(np.add.reduceat(gaps, starts)).sum(), pixels.sum()))


def semantic_metrics(classes: np.ndarray, right: np.ndarray, wrong: np.ndarray) -> dict[str, float]:
    """The semantic half, from valid pixels; shares in [0, 1], NaN where undefined.

    Args:
        classes: True positives, false positives and false negatives of each class, shape (3, K); see
            :func:`~mmseg_uncertainty.functional.class_f1.class_counts`.
        right: Pixels with the right class at each level of confidence, shape (L,).
        wrong: Pixels with another class at each level, shape (L,).

    Returns:
        ``mIoU`` over the classes that occur or are predicted, ``ECE``; with right pixels as positives, which should be
        confident, ``AUROC``, ``AP_success`` and ``FPR95``; with wrong ones as positives ``AP_error``.

    Examples:
        >>> metrics = semantic_metrics(np.array([[2], [0], [0]]), right=np.array([0, 2]), wrong=np.array([1, 0]))
        >>> metrics['AUROC'], metrics['AP_error'], metrics['FPR95']
        (1.0, 1.0, 0.0)
    """
    true, false, missed = np.asarray(classes, float)
    success, error = (right[::-1], wrong[::-1]), (wrong, right)
    return dict(mIoU=float(defined_mean(ratio(true, true + false + missed))), ECE=level_calibration_error(right, wrong),
                AUROC=float(auroc(*success)), AP_success=float(average_precision(*success)),
                AP_error=float(average_precision(*error)), FPR95=float(fpr_at_tpr(*success)))


def ood_metrics(invalid: np.ndarray, valid: np.ndarray) -> dict[str, float]:
    """The out-of-distribution half: invalid pixels are the positives, which should not be confident.

    Args:
        invalid: Invalid pixels at each level of confidence, shape (L,).
        valid: Valid pixels at each level, shape (L,).

    Returns:
        ``OOD_AUROC``, ``OOD_AP`` and ``OOD_FPR95``, shares in [0, 1], NaN where undefined.

    Examples:
        >>> ood_metrics(invalid=np.array([1, 0]), valid=np.array([0, 3]))
        {'OOD_AUROC': 1.0, 'OOD_AP': 1.0, 'OOD_FPR95': 0.0}
    """
    counts = invalid, valid
    return dict(OOD_AUROC=float(auroc(*counts)), OOD_AP=float(average_precision(*counts)),
                OOD_FPR95=float(fpr_at_tpr(*counts)))


def share(name: str, value: float) -> float:
    """What enters the means for a metric: the value, or one minus it for those that should be small.

    Examples:
        >>> share('AUROC', .75), share('ECE', .25)
        (0.75, 0.75)
    """
    return 1 - value if name in FALLING else value


@dataclass(frozen=True)
class BravoIndex:
    """Harmonic means of shares in [0, 1]; NaN where one of them is missing.

    Args:
        subsets: Mean of the metrics of each subset.
        semantic: Mean of all semantic metrics of all subsets.
        ood: Mean of all out-of-distribution metrics.
        index: Mean of both.
        missing: Subsets of the challenge that were not given; with any of them ``index`` is not the one of the challenge.
    """

    subsets: dict[str, float]
    semantic: float
    ood: float
    index: float
    missing: tuple[str, ...]


def bravo_index(metrics: Mapping[str, Mapping[str, float]]) -> BravoIndex:
    """Index of the challenge from the metrics of its subsets.

    Args:
        metrics: Of each subset what :func:`semantic_metrics` and :func:`ood_metrics` give. What :data:`SUBSETS` does not
            list for a subset does not count; of other names everything counts.

    Examples:
        >>> found = bravo_index({'synobjs': dict.fromkeys(SEMANTIC + OOD, .5), 'SMIYC': dict.fromkeys(OOD, .5)})
        >>> found.index, found.missing[:2]
        (0.5, ('ACDCfog', 'ACDCrain'))
    """
    counted = {subset: {name: share(name, value) for name, value in found.items() if name in SUBSETS.get(subset, found)}
               for subset, found in metrics.items()}
    semantic, ood = ([value for found in counted.values() for name, value in found.items() if name in half]
                     for half in (SEMANTIC, OOD))
    halves = harmonic_mean(semantic), harmonic_mean(ood)
    return BravoIndex({subset: harmonic_mean(found.values()) for subset, found in counted.items()}, *halves,
                      harmonic_mean(halves), tuple(subset for subset in SUBSETS if subset not in metrics))
