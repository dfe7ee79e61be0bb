"""Prediction sets of whole models that end in sigmoids."""
import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from tests.tiny import tiny_base

HEAD = dict(type='ConformalRiskControlHead', num_classes=2)


def model_of(set_head, **decode_head):
    torch.manual_seed(0)
    config = dict(tiny_base(num_classes=2, **decode_head), type='PosthocSegmentor', set_head=set_head)
    return MODELS.build(Config(config)).eval()


@torch.no_grad()
def predict(model, threshold):
    model.set_head.thresholds.fill_(threshold)
    image = torch.rand(1, 3, 64, 96)
    sample = SegDataSample(metainfo=dict(ori_shape=(64, 96), img_shape=(64, 96), pad_shape=(64, 96), img_path='0.png'))
    return model.predict(image, [sample])[0]


def test_one_channel_gives_sets_of_background_and_foreground():
    model = model_of(HEAD, out_channels=1, threshold=0.5)
    result = predict(model, 0.45)
    foreground = result.seg_logits.data
    probabilities = torch.cat([1 - foreground, foreground])
    expected = (probabilities >= 0.45) | (probabilities == probabilities.max(0, keepdim=True).values)
    assert torch.equal(result.prediction_set.membership, expected)


def test_one_channel_is_not_read_as_two_sigmoids():
    with pytest.raises(ValueError, match="activation='softmax' and num_classes=2"):
        model_of(dict(HEAD, activation='sigmoid'), out_channels=1, threshold=0.5)


def test_one_channel_per_class_gives_independent_sigmoids():
    result = predict(model_of(dict(HEAD, activation='sigmoid', family=dict(force_top=False))), 0.5)
    assert torch.equal(result.prediction_set.membership, result.seg_logits.data.sigmoid() >= 0.5)
