"""Models of every kind of output, from fit to evaluation."""
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.structures import PixelData
from mmseg.registry import METRICS, MODELS
from mmseg.structures import SegDataSample
from scipy.optimize import minimize_scalar
from torch import nn
from torch.testing import assert_close

from mmseg_uncertainty.evaluation import evaluator_config
from mmseg_uncertainty.models import PosthocSegmentor
from mmseg_uncertainty.models.bases import TorchBase
from mmseg_uncertainty.models.decode_heads import MSPHead, ScoreHead
from mmseg_uncertainty.runtime.score_scale import ScoreScale
from mmseg_uncertainty.structures import MethodInfo
from tests.tiny import tiny_base

SIZE = (12, 16)
MEASURES = ('msp', 'entropy', 'mutual_information', 'published')


def model_of(output, channels, threshold=0.3, **parts):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, channels, 1))
    nn.init.normal_(network[2].weight, std=2.)
    base = TorchBase(network, num_classes=channels, output=output, threshold=threshold, features_from='2')
    return PosthocSegmentor(base=base, data_preprocessor=nn.Identity(), **parts).eval()


def image(seed=0):
    return torch.randn(1, 3, *SIZE, generator=torch.Generator().manual_seed(seed))


def labelled(seed, classes):
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, classes, (1, *SIZE), generator=generator).masked_fill(
        torch.rand(1, *SIZE, generator=generator) < 0.1, 255)
    return SegDataSample(metainfo=dict(ori_shape=SIZE, img_path=f'{seed}.png'), gt_sem_seg=PixelData(data=labels))


def fit(module, model, images):
    for stage in range(module.stages):
        module.start_stage(stage)
        for seed in images:
            sample = labelled(seed, model.num_classes)
            outputs = model.frozen_outputs(image(seed), [sample])
            module.update(outputs, sample.gt_sem_seg.data.long(), [sample.metainfo])
        module.merge_ranks()
        module.finish_stage(stage)


def test_one_channel_predicts_and_scores_by_its_threshold():
    model = model_of('sigmoid', 1, uncertainty_heads=dict(
        msp=dict(type='MSPHead'), **{f'mcd_{name}': dict(type='MCDropoutHead', measure=name, samples=8) for name in MEASURES}))
    result, = model.predict(image())
    foreground = model.base.network(image())[0].sigmoid()
    predicted = (foreground > 0.3).long()
    assert torch.equal(result.pred_sem_seg.data, predicted) and 0 < predicted.float().mean() < 1
    assert_close(result.seg_logits.data, foreground)
    assert_close(result.uncertainty.msp, torch.where(predicted == 1, 1 - foreground, foreground))
    assert all(result.uncertainty.get(f'mcd_{name}').std() > 0 for name in MEASURES)


def test_sets_of_one_channel_hold_what_was_predicted():
    head = dict(type='ConformalRiskControlHead', num_classes=2, risks=[dict(alpha=0.2)])
    model = model_of('sigmoid', 1, set_head=head)
    fit(model.set_head, model, range(20))
    result, = model.predict(image(3))
    foreground = model.base.network(image(3))[0].sigmoid()
    between = (foreground > 0.3) & (foreground < 0.5)
    assert between.any()
    assert result.prediction_set.membership.gather(0, result.pred_sem_seg.data).all()
    covered = np.mean([miscoverage(model, seed) for seed in range(20)])
    assert covered <= 0.2


def miscoverage(model, seed):
    result, = model.predict(image(seed))
    labels = labelled(seed, 2).gt_sem_seg.data
    valid = labels != 255
    return 1 - result.prediction_set.membership.gather(0, labels.masked_fill(~valid, 0))[valid].float().mean()


@pytest.mark.parametrize('output, channels', [('sigmoid', 1), ('sigmoids', 4), ('softmax', 4)])
def test_calibration_is_measured_on_the_probabilities_that_the_model_has(output, channels):
    model = model_of(output, channels)
    metric = METRICS.build(evaluator_config('ECE', resamples=0, classwise=False))
    metric.dataset_meta = dict(classes=tuple('abcd')[:model.num_classes])
    confidence, correct, likelihood = [], [], []
    for seed in range(3):
        sample = labelled(seed, model.num_classes)
        result, = model.predict(image(seed), [sample])
        metric.process({}, [result.to_dict()])
        scores, labels = model.base.network(image(seed))[0].double(), sample.gt_sem_seg.data[0]
        valid, predicted = labels != 255, result.pred_sem_seg.data[0]
        if output == 'softmax':
            probabilities = scores.softmax(0)
        else:
            probabilities = torch.cat([1 - scores.sigmoid(), scores.sigmoid()]) if channels == 1 else scores.sigmoid()
        confidence.append(probabilities.gather(0, predicted[None])[0][valid])
        correct.append((predicted == labels)[valid])
        own = probabilities.gather(0, labels.masked_fill(~valid, 0)[None])[0]
        if output == 'sigmoids':
            rest = torch.log1p(-probabilities).sum(0) - torch.log1p(-own)
            likelihood.append(-(own.log() + rest)[valid])
        else:
            likelihood.append(-own.log()[valid])
    confidence, correct = torch.cat(confidence).numpy(), torch.cat(correct).numpy()
    cells = np.clip(np.ceil(confidence * 15).astype(int) - 1, 0, 14)
    expected = sum(abs(confidence[cells == cell].sum() - correct[cells == cell].sum()) for cell in range(15)) / len(confidence)
    values = metric.evaluate(3)
    assert values['ECE[pooled]'] == pytest.approx(expected, abs=1e-4)
    assert values['NLL[pooled]'] == pytest.approx(float(torch.cat(likelihood).mean()), rel=1e-4)
    assert not any(key.startswith('uncalibrated') for key in values)


@pytest.mark.parametrize('temperature', [None, 2.])
def test_masses_of_masks_are_measured_as_shares(temperature):
    """With a calibrator those of the base model stand beside its own; without, none is said to be calibrated."""
    model = model_of('mask mass', 4, **({} if temperature is None else dict(calibrator=dict(type='TemperatureScaling'))))
    model.base.network.append(nn.Softplus())
    if temperature is not None:
        model.calibrator.temperature.fill_(temperature)
        model.calibrator.fitted.fill_(True)
    metric = METRICS.build(evaluator_config('ECE', resamples=0, classwise=False))
    metric.dataset_meta = dict(classes=tuple('abcd'))
    likelihood = {power: [] for power in (1., .5)}
    for seed in range(3):
        sample = labelled(seed, 4)
        result, = model.predict(image(seed), [sample])
        metric.process({}, [result.to_dict()])
        masses, labels = model.base.network(image(seed))[0].double(), sample.gt_sem_seg.data[0]
        for power, values in likelihood.items():
            shares = masses**power / (masses**power).sum(0)
            values.append(-shares.gather(0, labels.masked_fill(labels == 255, 0)[None])[0].log()[labels != 255])
    base, calibrated = (float(torch.cat(values).mean()) for values in likelihood.values())
    values = metric.evaluate(3)
    assert metric.provenance['logits'] == ('base model' if temperature is None else 'calibrated')
    assert values['NLL[pooled]'] == pytest.approx(base if temperature is None else calibrated, rel=1e-4)
    assert values.get('uncalibrated/NLL[pooled]') == (None if temperature is None else pytest.approx(base, rel=1e-4))


def test_a_temperature_of_sigmoids_is_that_of_the_largest_likelihood():
    model = model_of('sigmoids', 4, calibrator=dict(type='TemperatureScaling'))
    calibrator = model.calibrator
    fit(calibrator, model, range(6))
    logits = torch.cat([model.base.network(image(seed))[0].flatten(1).double() for seed in range(6)], dim=1).detach()
    labels = torch.cat([labelled(seed, 4).gt_sem_seg.data.flatten() for seed in range(6)])
    logits, labels = logits[:, labels != 255], labels[labels != 255]
    wanted = torch.nn.functional.one_hot(labels.long(), 4).T.double()

    def loss(log_temperature):
        return float(torch.nn.functional.binary_cross_entropy_with_logits(logits / np.exp(log_temperature), wanted))

    best = np.exp(minimize_scalar(loss, bounds=(-3, 8), method='bounded', options=dict(xatol=1e-8)).x)
    assert float(calibrator.temperature[0]) == pytest.approx(best, rel=1e-4)
    with pytest.raises(ValueError, match='VectorScaling.*one sigmoid per class'):
        model_of('sigmoids', 4, calibrator=dict(type='VectorScaling'))


def test_sets_ask_the_base_what_its_output_means():
    head = dict(type='ConformalRiskControlHead', num_classes=4, keep_curves=False, family=dict(force_top=False))
    model = model_of('sigmoids', 4, set_head=head)
    model.set_head.thresholds.fill_(0.5)
    result, = model.predict(image())
    assert torch.equal(result.prediction_set.membership, model.base.network(image())[0].sigmoid() >= 0.5)


def test_mmseg_heads_of_sigmoid_losses_are_sigmoids():
    loss = dict(type='CrossEntropyLoss', use_sigmoid=True)
    model = MODELS.build(Config(dict(tiny_base(loss_decode=loss), type='PosthocSegmentor')))
    assert model.distribution.name == 'sigmoids'
    default = MODELS.build(Config(dict(tiny_base(num_classes=2, out_channels=1), type='PosthocSegmentor')))
    assert (default.distribution.name, default.distribution.threshold) == ('sigmoid', 0.3)


def test_a_head_of_a_user_brings_its_own_scale():
    class Own(MSPHead):
        def scale(self, num_classes):
            return ScoreScale('percent', 0., 100., 50.)

    class Plain(ScoreHead):
        info = MethodInfo('plain', '', 2026)

        def score(self, logits, features):
            return logits.amin(dim=1)

    assert Own().scale(7) == ScoreScale('percent', 0., 100., 50.)
    assert Plain().scale(7) == ScoreScale('raw score') and MSPHead().scale(4).threshold == 0.5
