"""The scale of every head's score."""
from __future__ import annotations

import math
from collections.abc import Callable

from mmseg_uncertainty.models import decode_heads
from mmseg_uncertainty.models.decode_heads import ScoreHead
from mmseg_uncertainty.runtime.score_scale import ScoreScale


def score_scale(head: ScoreHead, num_classes: int) -> ScoreScale:
    """Scale of a head.

    MSP flags pixels without a class of at least half the probability, FlowEneDet those that are more likely wrong than
    right. Other scores have no natural threshold.

    Args:
        head: The head that made the map.
        num_classes: Number of classes of the model.
    """
    return _SCALES.get(type(head), _raw)(head, num_classes)


def _raw(head: ScoreHead, num_classes: int) -> ScoreScale:
    return ScoreScale('raw score')


def _logits(head: ScoreHead, num_classes: int) -> ScoreScale:
    return ScoreScale('logits')


def _nats(head: ScoreHead, num_classes: int) -> ScoreScale:
    return ScoreScale('nats', 0., math.log(num_classes))


def _deviations(head: ScoreHead, num_classes: int) -> ScoreScale:
    return ScoreScale('standard deviations')


def _msp(head: ScoreHead, num_classes: int) -> ScoreScale:
    return ScoreScale('probability', 0., 1 - 1 / num_classes, min(0.5, 1 - 1 / num_classes))


def _margin(head: ScoreHead, num_classes: int) -> ScoreScale:
    return ScoreScale('probability', 0., 1.)


def _flow(head: ScoreHead, num_classes: int) -> ScoreScale:
    if head.variant == 'published':
        return ScoreScale('probability of a mistake', 0., 1., 0.5)
    return ScoreScale('log-odds of a mistake', threshold=0.)


_SCALES: dict[type, Callable[[ScoreHead, int], ScoreScale]] = {
    decode_heads.MSPHead: _msp,
    decode_heads.MarginHead: _margin,
    decode_heads.MaxLogitHead: _logits,
    decode_heads.EnergyHead: _logits,
    decode_heads.EntropyHead: _nats,
    decode_heads.StandardizedMaxLogitHead: _deviations,
    decode_heads.FlowEneDetHead: _flow,
}
