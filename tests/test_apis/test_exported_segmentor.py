"""What an exported model keeps of the model."""
import copy

import torch
from mmengine.config import Config
from mmseg.registry import MODELS

from mmseg_uncertainty.apis.exported_segmentor import ExportedSegmentor
from tests.tiny import tiny_base


def msp_of(heads):
    torch.manual_seed(0)
    config = copy.deepcopy(tiny_base())
    config.update(type='PosthocSegmentor', uncertainty_heads=dict(fedu=dict(type='FlowEneDetHead'), msp=dict(type='MSPHead')),
                  calibrator=dict(type='SelectiveScaling', head='fedu', threshold=0.))
    model = MODELS.build(Config(config)).eval()
    model.calibrator.temperatures.copy_(torch.tensor([1., 3.]))
    model.calibrator.fitted.fill_(True)
    segmentor = ExportedSegmentor(model, heads)
    return segmentor.output_names, segmentor(*segmentor.example_inputs(1, 64, 96))[2]


def test_the_head_that_a_calibrator_asks_stays_without_being_an_output():
    every, expected = msp_of(['msp', 'fedu'])
    names, found = msp_of(['msp'])
    assert names == ['labels', 'logits', 'uncertainty_msp'] == every[:3] and torch.equal(found, expected)
