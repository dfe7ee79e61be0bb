import json
import math

import numpy as np
import pytest

from mmseg_uncertainty.runtime.flag_summary import flagging_scales, summarize_flags
from mmseg_uncertainty.runtime.prediction import Prediction
from mmseg_uncertainty.runtime.score_scale import ScoreScale

RECORD = dict(head='msp', kind='frame_alarms', text='at most 1 %', feasible=True, threshold=0.5, pixels=1, region=5)


def summary(flags, **record):
    return summarize_flags(Prediction(np.zeros(flags.shape, int), flags=dict(alarms=flags)), dict(alarms=RECORD | record))['alarms']


def test_flags_are_told_in_plain_values():
    flags = np.zeros((8, 9), bool)
    flags[0, :5] = True
    said = summary(flags)
    assert said['alarm'] is True and said['flagged_share'] == 5 / 72 and said['kept'] is True
    assert summary(flags, region=6)['alarm'] is False
    assert summary(flags, region=None, pixels=5)['alarm'] is True and summary(flags, region=None, pixels=6)['alarm'] is False
    assert 'alarm' not in summary(flags, kind='misses')
    assert json.loads(json.dumps(summary(flags, threshold=math.inf), allow_nan=False))['threshold'] is None


def test_thresholds_are_those_of_the_user_then_of_the_first_decision_then_of_the_score():
    scales = {name: ScoreScale('probability', threshold=0.9) for name in ('msp', 'margin', 'energy', 'entropy')}
    decisions = dict(nothing=dict(head='msp', threshold=math.inf), first=dict(head='msp', threshold=0.25),
                     second=dict(head='msp', threshold=0.75), other=dict(head='margin', threshold=0.5))
    found = flagging_scales(scales, decisions, dict(margin=0.1, entropy=0.2))
    assert found['msp'].threshold == np.nextafter(np.float32(0.25), np.float32(1))
    assert found['margin'].threshold == 0.1 and found['entropy'].threshold == 0.2 and found['energy'].threshold == 0.9
    with pytest.raises(ValueError, match="'enrgy'.*Did you mean energy"):
        flagging_scales(scales, {}, dict(enrgy=1.))
