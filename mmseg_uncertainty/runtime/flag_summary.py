"""What decisions say of an image, in plain values."""
from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from mmseg_uncertainty.functional.alarms import raises_alarm

from .near_names import did_you_mean
from .prediction import Prediction, share
from .score_scale import ScoreScale


def summarize_flags(prediction: Prediction, decisions: Mapping[str, Mapping]) -> dict[str, dict]:
    """Share of flagged pixels by decision, with its promise and, where frames are promised, whether an alarm is raised.

    Args:
        prediction: Result for the image.
        decisions: Record of each decision, see :meth:`~mmseg_uncertainty.models.decisions.FlagThreshold.record`.

    Returns:
        Plain values, ready for JSON; ``threshold`` is ``None`` where everything or nothing is flagged.
    """
    return {name: _summary(flags, decisions[name]) for name, flags in prediction.flags.items()}


def plain_record(record: Mapping) -> dict:
    """A record as JSON has it, with infinite thresholds as text.

    Examples:
        >>> plain_record(dict(threshold=math.inf)), plain_record(dict(threshold=0.5))
        ({'threshold': 'inf'}, {'threshold': 0.5})
    """
    threshold = record['threshold']
    return dict(record, threshold=threshold if math.isfinite(threshold) else str(threshold))


def first_flagged(threshold: float) -> float:
    """The smallest float32 that is flagged, ``score > threshold`` being ``score >= first_flagged(threshold)``.

    Examples:
        >>> 0.5 < first_flagged(0.5) < 0.5000001
        True
    """
    return float(np.nextafter(np.float32(threshold), np.float32(np.inf)))


def flagging_scales(scales: Mapping[str, ScoreScale], decisions: Mapping[str, Mapping],
                    thresholds: Mapping[str, float]) -> dict[str, ScoreScale]:
    """Scales that flag where the user says, else where the first decision about a head does, else where the head itself does.

    Args:
        scales: Scale of each head.
        decisions: Records of fitted decisions.
        thresholds: Value from which on a pixel is flagged, by head.

    Raises:
        ValueError: A threshold names no head.

    Examples:
        >>> scales = dict(msp=ScoreScale('probability', 0., 1., threshold=0.5))
        >>> flagging_scales(scales, dict(careful=dict(head='msp', threshold=0.125)), {})['msp'].threshold > 0.125
        True
    """
    for name in thresholds:
        if name not in scales:
            raise ValueError(f'A threshold names the head {name!r}; this model has {sorted(scales)}.'
                             f'{did_you_mean(name, scales)}')
    promised = {record['head']: first_flagged(record['threshold']) for record in reversed(decisions.values())
                if math.isfinite(record['threshold'])}
    chosen = promised | dict(thresholds)
    return {name: scale.flagging_at(chosen[name]) if name in chosen else scale for name, scale in scales.items()}


def _summary(flags: np.ndarray, record: Mapping) -> dict:
    threshold = record['threshold']
    summary = dict(head=record['head'], promise=record['text'], kept=record['feasible'],
                   threshold=threshold if math.isfinite(threshold) else None, flagged_share=share(flags))
    if record['kind'] == 'frame_alarms':
        summary['alarm'] = raises_alarm(flags, record['pixels'], record['region'])
    return summary
