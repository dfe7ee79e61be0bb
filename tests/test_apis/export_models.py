"""Models for the tests of exports."""
import torch
from mmengine.config import Config
from mmseg.registry import MODELS

from tests.tiny import tiny_posthoc

HEADS = dict(
    fedc=dict(type='FlowEneDetHead', conditional=True, condition_channels=8),
    fedc_outliers=dict(type='FlowEneDetHead', conditional=True, condition_channels=8, standardize_features=True),
    msp=dict(type='MSPHead'),
    energy=dict(type='EnergyHead', resolution='native'))
SET_HEAD = dict(type='ConformalRiskControlHead', num_classes=5, keep_curves=False)
DEEPLAB = dict(
    backbone=dict(
        type='ResNetV1c', depth=18, base_channels=4, stem_channels=8, strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4),
        norm_cfg=dict(type='BN')),
    decode_head=dict(
        type='DepthwiseSeparableASPPHead', in_channels=32, in_index=3, channels=16, dilations=(1, 2), c1_in_channels=4,
        c1_channels=4, num_classes=5, norm_cfg=dict(type='BN'), align_corners=False))


def posthoc(base=None, **options):
    torch.manual_seed(1)
    model = MODELS.build(Config({**tiny_posthoc(HEADS, **options), **(base or {})})).eval()
    for parameter in model.uncertainty_heads.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    if model.set_head:
        model.set_head.thresholds.fill_(0.2)
    return model
