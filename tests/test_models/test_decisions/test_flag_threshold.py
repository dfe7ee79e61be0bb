import copy

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from mmseg_uncertainty.models.fittable import fit_stage, fittables_in_order, passes_in_order
from mmseg_uncertainty.models.utils.native_maps import scores_at_labels
from tests.tiny import tiny_base

SIZE = (64, 96)
DECISIONS = dict(flagged=dict(type='FlagThreshold', head='msp', alpha=0.1),
                 native=dict(type='FlagThreshold', head='native', promise='misses', alpha=0.4),
                 alarms=dict(type='FlagThreshold', head='msp', promise='frame_alarms', alpha=0.3, region=5))


def build(mode='whole', decisions=DECISIONS, sml=False, **options):
    torch.manual_seed(0)
    config = copy.deepcopy(tiny_base(mode))
    config.update(type='PosthocSegmentor', decisions=decisions,
                  uncertainty_heads=dict(msp=dict(type='MSPHead'), native=dict(type='MSPHead', resolution='native'),
                                         **(dict(sml=dict(type='StandardizedMaxLogitHead')) if sml else {})), **options)
    return MODELS.build(Config(config)).eval()


def batches(model, count=20, kind='classes', unit=None):
    """Labels that are mostly what the model predicts."""
    for index in range(count):
        generator = torch.Generator().manual_seed(index)
        image = torch.rand(1, 3, *SIZE, generator=generator)
        sample = SegDataSample(metainfo=dict(img_path=f'{index:03}.png', ori_shape=SIZE, img_shape=SIZE, pad_shape=SIZE))
        sample.gt_sem_seg = PixelData(data=torch.zeros(1, *SIZE, dtype=torch.long))
        outputs = model.frozen_outputs(image, [sample])
        labels = outputs.output.classes.clone()
        noise = torch.rand(labels.shape, generator=generator)
        labels[noise < 0.2] = 0
        labels[noise > 0.9] = 255
        if kind == 'anomaly':
            labels = (noise < 0.1).long() * (index % 2)
        yield outputs, labels, [dict(sample.metainfo, label_kind=kind, calibration_unit=None if unit is None else index // unit)]


def fit(model, **options):
    for stage, modules in passes_in_order({name: module for name, module in fittables_in_order(model)[1].items()
                                           if name.startswith('decisions')}):
        fit_stage(modules, stage, batches(model, **options))
    return model


def predict(model, seed=50):
    torch.manual_seed(seed)
    sample = SegDataSample(metainfo=dict(img_path='x.png', ori_shape=SIZE, img_shape=SIZE, pad_shape=SIZE))
    return model.predict(torch.rand(1, 3, *SIZE), [sample])[0]


@pytest.mark.parametrize('mode', ['whole', 'slide'])
def test_flags_are_the_pixels_whose_score_exceeds_the_threshold(mode):
    model = fit(build(mode))
    sample = predict(model)
    for name, decision in model.decisions.items():
        assert decision.feasible and torch.isfinite(decision.threshold)
        flags = sample.flags.get(name)
        assert flags.dtype == torch.bool and torch.equal(flags, sample.uncertainty.get(decision.head) > decision.threshold)
        assert 0 < flags.float().mean() < 1 or name == 'alarms'
    assert sample.metainfo['decisions']['flagged']['alpha'] == 0.1


@pytest.mark.parametrize('mode', ['whole', 'slide'])
def test_scores_of_a_fit_are_those_of_predictions(mode):
    model = fit(build(mode))
    torch.manual_seed(50)
    image = torch.rand(1, 3, *SIZE)
    meta = dict(img_path='x.png', ori_shape=SIZE, img_shape=SIZE, pad_shape=SIZE)
    sample = SegDataSample(metainfo=meta)
    sample.gt_sem_seg = PixelData(data=torch.zeros(1, *SIZE, dtype=torch.long))
    outputs, predicted = model.frozen_outputs(image, [sample]), predict(model)
    for name in ('msp', 'native'):
        fitted = scores_at_labels(outputs, model.uncertainty_heads[name], SIZE)
        assert torch.equal(fitted, predicted.uncertainty.get(name))


def test_the_threshold_keeps_its_promise_on_the_calibration_images():
    model = fit(build())
    losses = []
    for outputs, labels, _ in batches(model):
        scores = scores_at_labels(outputs, model.uncertainty_heads['msp'], SIZE)
        right = (labels != 255) & (labels == outputs.output.classes)
        losses.append((scores > model.decisions.flagged.threshold)[right].float().mean().item())
    assert 0.02 < np.mean(losses) <= 0.1 - 0.9 / 20 + 1e-6


def test_a_checkpoint_answers_other_promises_without_the_images():
    model = fit(build())
    other = build(decisions=dict(DECISIONS, flagged=dict(type='FlagThreshold', head='msp', promise='misses', alpha=0.3)))
    other.load_state_dict(model.state_dict())
    model.decisions.flagged.recalibrate('misses', 0.3)
    assert other.decisions.flagged.threshold == model.decisions.flagged.threshold != build().decisions.flagged.threshold
    same = build()
    same.load_state_dict(fit(build()).state_dict())
    assert torch.equal(same.decisions.native.threshold, fit(build()).decisions.native.threshold)
    with pytest.raises(ValueError, match='region=9'):
        model.decisions.alarms.recalibrate(region=9)


def test_units_are_counted_where_scenes_are_known(caplog):
    scene = dict(flagged=dict(type='FlagThreshold', head='msp', alpha=0.3, unit='scene'))
    model = fit(build(decisions=scene), unit=5)
    units = model.decisions.flagged.curves.units
    assert units.tolist() == np.repeat(range(4), 5).tolist()
    assert model.decisions.flagged.feasible
    few = fit(build(decisions=dict(flagged=dict(scene['flagged'], alpha=0.1))), unit=5)
    assert not few.decisions.flagged.feasible and few.decisions.flagged.threshold == float('inf')
    with pytest.raises(ValueError, match='nothing names the scene of 000.png'):
        fit(build(decisions=scene))


def test_anomalies_are_told_by_the_labels():
    anomalies = dict(flagged=dict(type='FlagThreshold', head='msp', promise='misses', alpha=0.4, of='anomalies'))
    model = fit(build(decisions=anomalies), kind='anomaly')
    assert model.decisions.flagged.curves.table().totals[:, 1].astype(bool).tolist() == [False, True] * 10
    with pytest.raises(ValueError, match="of='mistakes' needs labels of classes"):
        fit(build(), kind='anomaly')


def test_a_fitted_head_is_fitted_before_the_decision_that_reads_it():
    model = build(decisions=dict(flagged=dict(type='FlagThreshold', head='sml')), sml=True,
                  calibrator=dict(type='TemperatureScaling'))
    read, others = fittables_in_order(model)
    assert sorted(read) == ['calibrator', 'uncertainty_heads.sml'] and sorted(others) == ['decisions.flagged']
    assert [sorted(modules) for _, modules in passes_in_order(read)][0] == ['calibrator']
    assert model.decisions.flagged.reads == ('sml', ) and 'decisions.flagged.head' not in dict(model.named_modules())


def test_a_decision_about_a_sum_reads_what_is_added_up():
    config = copy.deepcopy(tiny_base('whole'))
    config.update(type='PosthocSegmentor', decisions=dict(flagged=dict(type='FlagThreshold', head='both')), uncertainty_heads=dict(
        msp=dict(type='MSPHead'), energy=dict(type='EnergyHead'), both=dict(type='SumOfScoresHead', heads=['msp', 'energy'])))
    assert MODELS.build(Config(config)).decisions.flagged.reads == ('both', 'msp', 'energy')


def test_an_image_that_comes_twice_is_refused():
    model = build(decisions=dict(flagged=DECISIONS['flagged']))
    twice = [*batches(model, 3), *batches(model, 1)]
    with pytest.raises(ValueError, match='000.png'):
        fit_stage(dict(flagged=model.decisions.flagged), 0, twice)


def test_mistakes_in_the_config_are_named():
    for options, found in ((dict(head='mps'), "'mps'.*msp"), (dict(unit='film'), "unit='film'"), (dict(beta=1), 'beta'),
                           (dict(alpha=2), 'alpha=2'), (dict(bits=30), 'bits=30')):
        with pytest.raises(ValueError, match=found):
            build(decisions=dict(flagged=dict(dict(type='FlagThreshold', head='msp'), **options)))
    with pytest.raises(RuntimeError, match='no threshold yet'):
        predict(build())
    with pytest.raises(RuntimeError, match='nothing was fitted'):
        build().decisions.flagged.recalibrate(alpha=0.2)
