"""Averages over scales and flips, against views made by hand."""
import pytest
import torch
from mmengine.config import Config
from mmseg.models import SegTTAModel
from mmseg.registry import METRICS, MODELS
from mmseg.structures import SegDataSample
from torch.nn import functional as F
from torch.testing import assert_close

from mmseg_uncertainty.evaluation import evaluator_config
from mmseg_uncertainty.models.segmentors.test_time_views import TestTimeViews
from tests.tiny import tiny_posthoc

HEADS = dict(msp=dict(type='MSPHead'), native=dict(type='EnergyHead', resolution='native'),
             fedc=dict(type='FlowEneDetHead', conditional=True, condition_channels=8))
IMAGE = torch.randn(1, 3, 64, 96, generator=torch.Generator().manual_seed(1))


def model_of(tta=None, **options):
    torch.manual_seed(0)
    model = MODELS.build(Config(tiny_posthoc(HEADS, tta=tta, **options))).eval()
    torch.nn.init.normal_(model.decode_head.conv_seg.weight, std=.5)
    return model


def sample(**meta):
    return SegDataSample(metainfo=dict(dict(ori_shape=(60, 90), img_shape=(64, 96), img_path='a.png'), **meta))


def test_one_view_changes_nothing():
    plain, = model_of().predict(IMAGE, [sample()])
    viewed, = model_of(dict(scales=[1.0], flip=False)).predict(IMAGE, [sample()])
    assert torch.equal(plain.pred_sem_seg.data, viewed.pred_sem_seg.data)
    for name in HEADS:
        assert_close(viewed.uncertainty.get(name), plain.uncertainty.get(name))
    assert_close(viewed.seg_logits.data.softmax(0), plain.seg_logits.data.softmax(0))
    assert (plain.test_time_views, viewed.test_time_views) == ('', 'tta 1')


def test_results_are_means_over_the_views():
    scales = [0.5, 1.0]
    found, = model_of(dict(scales=scales, flip=True)).predict(IMAGE, [sample()])
    plain, maps, softmax = model_of(), {name: [] for name in HEADS}, []
    for scale in scales:
        view = F.interpolate(IMAGE, size=(int(64 * scale), int(96 * scale)), mode='bilinear', align_corners=False)
        for flipped in (False, True):
            meta = dict(flip=flipped, flip_direction='horizontal' if flipped else None)
            result, = plain.predict(view.flip(3) if flipped else view, [sample(**meta)])
            softmax.append(result.seg_logits.data.softmax(0))
            for name in HEADS:
                maps[name].append(result.uncertainty.get(name))
    mean = torch.stack(softmax).mean(0)
    assert_close(found.seg_logits.data.softmax(0), mean)
    assert torch.equal(found.pred_sem_seg.data[0], mean.argmax(0))
    for name in HEADS:
        assert_close(found.uncertainty.get(name), torch.stack(maps[name]).mean(0))


@pytest.mark.parametrize('flip_direction', [None, 'horizontal', 'vertical'])
def test_views_of_padded_and_flipped_inputs_show_the_image_alone(flip_direction):
    meta = dict(padding_size=(8, 8, 4, 12), flip=flip_direction is not None, flip_direction=flip_direction)
    padded = F.pad(IMAGE, meta['padding_size'], value=30.)
    model = model_of(dict(scales=[1.0, 2.0]))
    found, = model.predict(padded, [sample(**meta)])
    dims = dict(horizontal=[3], vertical=[2]).get(flip_direction, [])
    expected, = model.predict(IMAGE, [sample(flip=bool(dims), flip_direction=flip_direction)])
    for name in HEADS:
        assert_close(found.uncertainty.get(name), expected.uncertainty.get(name))


def test_sides_of_views_are_padded_to_the_divisor_of_the_model():
    views = list(TestTimeViews([0.3, 1.0], flip=False)(IMAGE, dict(ori_shape=(60, 90)), 32))
    assert [tuple(view.shape[2:]) for view, _ in views] == [(32, 32), (64, 96)]
    assert views[0][1][0]['img_padding_size'] == (0, 3, 0, 13)


def test_sets_are_left_out_and_calibrated_probabilities_averaged():
    head = dict(type='ConformalRiskControlHead', num_classes=5, keep_curves=False)
    model = model_of(dict(scales=[0.5, 1.0]), set_head=head, calibrator=dict(type='TemperatureScaling'))
    model.calibrator.temperature.fill_(2.)
    model.calibrator.fitted.fill_(True)
    found, = model.predict(IMAGE, [sample()])
    assert 'prediction_set' not in found
    assert_close(found.calibrated_logits.data.softmax(0).sum(0), torch.ones(60, 90))


def test_keys_name_the_views():
    metric = METRICS.build(evaluator_config('IDM', resamples=0))
    metric.dataset_meta = dict(classes=tuple('abcde'))
    result, = model_of(dict(scales=[1.0, 0.5], flip=False)).predict(IMAGE, [sample()])
    labels = torch.randint(0, 5, (1, 60, 90), generator=torch.Generator().manual_seed(2))
    metric.process({}, [dict(result.to_dict(), gt_sem_seg=dict(data=labels))])
    values = metric.evaluate(1)
    assert any(key.startswith('msp/') and key.endswith('[pooled, tta 1 0.5]') for key in values)
    assert not any(key.endswith('[pooled]') for key in values)


def test_the_tta_model_of_mmseg_is_refused_with_the_option_to_use():
    wrapper = SegTTAModel(model_of())
    views = dict(inputs=[[(IMAGE[0] * 60 + 120).byte()]] * 2, data_samples=[[sample()], [sample()]])
    with pytest.raises(AttributeError, match=r'tta=dict\(scales'):
        wrapper.test_step(views)


def test_impossible_scales_are_named():
    with pytest.raises(ValueError, match=r'scales=\[0, 1\]'):
        model_of(dict(scales=[0, 1]))
