"""What a module to fit has unless it says otherwise."""
import copy

from mmengine.config import Config
from mmseg.registry import MODELS

from mmseg_uncertainty.models.fittable import Fittable, heads_read
from tests.tiny import tiny_base


def test_one_stage_without_promise_or_shares():
    assert Fittable.stages == 1 and not Fittable.promises and not Fittable.shares


def test_what_reads_a_calibrator_reads_the_score_that_it_asks():
    config = copy.deepcopy(tiny_base())
    config.update(type='PosthocSegmentor', uncertainty_heads=dict(fedu=dict(type='FlowEneDetHead'), msp=dict(type='MSPHead')),
                  calibrator=dict(type='SelectiveScaling', head='fedu', threshold=0.), decisions=dict(
                      flagged=dict(type='FlagThreshold', head='msp')),
                  set_head=dict(type='ConformalRiskControlHead', num_classes=5))
    model = MODELS.build(Config(config))
    assert heads_read(model, model.calibrator) == heads_read(model, model.set_head) == {'fedu'}
    assert heads_read(model, model.decisions.flagged) == {'fedu', 'msp'}
