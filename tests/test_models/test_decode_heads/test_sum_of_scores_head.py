"""A sum of heads: one pass of the base, fitted after its heads, and the same wherever maps come from."""
import copy

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch.testing import assert_close

from mmseg_uncertainty.models.decode_heads import SumOfScoresHead
from mmseg_uncertainty.models.fittable import fit_in_order, fittables_in_order, passes_in_order
from tests.tiny import tiny_posthoc

HEADS = dict(both=dict(type='SumOfScoresHead', heads=['knn', 'energy']), energy=dict(type='EnergyHead'),
             knn=dict(type='NearestNeighborHead', per_class=20),
             most=dict(type='SumOfScoresHead', heads=['knn', 'energy', 'msp'], reduction='max'), msp=dict(type='MSPHead'))


def model_of(mode='whole', heads=HEADS, **options):
    init_default_scope('mmseg')
    torch.manual_seed(0)
    config = tiny_posthoc(heads, **options)
    if mode == 'slide':
        config['test_cfg'] = dict(mode='slide', crop_size=(64, 64), stride=(32, 32))
    return MODELS.build(Config(config)).eval()


def batch(seed, count=3):
    generator = torch.Generator().manual_seed(seed)
    samples = []
    for index in range(count):
        sample = SegDataSample(metainfo=dict(img_path=f'{seed}_{index}.png', ori_shape=(50, 70), img_shape=(64, 96),
                                             pad_shape=(64, 96)))
        labels = torch.randint(0, 5, (1, 50, 70), generator=generator)
        sample.gt_sem_seg = PixelData(data=labels.masked_fill(torch.rand(labels.shape, generator=generator) < 0.2, 255))
        samples.append(sample)
    return torch.rand(count, 3, 64, 96, generator=generator), samples


def fitted(model, seeds=(1, 2)):
    def parts():
        for seed in seeds:
            inputs, samples = batch(seed)
            labels = torch.cat([sample.gt_sem_seg.data for sample in samples]).long()
            yield model.frozen_outputs(inputs, samples), labels, [sample.metainfo for sample in samples]

    fit_in_order(model, parts)
    return model


@pytest.mark.parametrize('mode', ['whole', 'slide'])
def test_maps_are_standardized_over_labelled_pixels_and_added_up(mode):
    model = fitted(model_of(mode))
    maps, known = {name: [] for name in HEADS}, []
    for seed in (1, 2):
        inputs, samples = batch(seed)
        for result in model.predict(inputs, samples):
            known.append(result.gt_sem_seg.data[0] < 255)
            for name in HEADS:
                maps[name].append(result.uncertainty.get(name)[0] if result.uncertainty.get(name).dim() == 3
                                  else result.uncertainty.get(name))
    flat = {name: torch.cat([values[inside] for values, inside in zip(parts, known)]).double() for name, parts in maps.items()}
    standard = {name: (values - values.mean()) / values.std(correction=0) for name, values in flat.items()}
    assert_close(flat['both'], standard['knn'] + standard['energy'], rtol=1e-3, atol=1e-3)
    assert_close(flat['most'], torch.stack([standard[name] for name in ('knn', 'energy', 'msp')]).amax(0), rtol=1e-3, atol=1e-3)
    assert set(model.predict(*batch(1))[0].uncertainty.keys()) == set(HEADS)


def test_a_sum_costs_no_further_pass_and_no_further_scoring():
    model, calls = fitted(model_of()), []
    model.base.register_forward_hook(lambda *_: calls.append('base'))
    model.uncertainty_heads['knn'].register_forward_hook(lambda *_: calls.append('knn'))
    model.predict(*batch(3))
    assert calls == ['base', 'knn']


def test_a_sum_is_fitted_after_its_heads_and_with_them_where_a_decision_reads_it():
    model = model_of(decisions=dict(flagged=dict(type='FlagThreshold', head='both', alpha=0.2)))
    read, rest = fittables_in_order(model)
    assert set(read) == {'uncertainty_heads.both', 'uncertainty_heads.knn'} and 'decisions.flagged' in rest
    assert model.uncertainty_heads['both'].stages == 2 and passes_in_order(read)[1][1].keys() == {'uncertainty_heads.both'}


def test_a_second_fit_forgets_the_first_and_a_fit_survives_saving():
    model, other = fitted(model_of()), model_of()
    fitted(model, (3, ))
    fitted(other, (3, ))
    for key, value in other.state_dict().items():
        assert torch.equal(value, model.state_dict()[key]), key
    copied = model_of()
    with pytest.raises(RuntimeError, match='not fitted'):
        copied.predict(*batch(4))
    copied.load_state_dict(model.state_dict())
    assert torch.equal(copied.predict(*batch(4))[0].uncertainty.both, model.predict(*batch(4))[0].uncertainty.both)


def test_heads_without_fit_are_standardized_in_one_pass():
    heads = {name: copy.deepcopy(HEADS[name]) for name in ('energy', 'msp')} | dict(
        both=dict(type='SumOfScoresHead', heads=['msp', 'energy']))
    model = model_of(heads=heads)
    assert [stage for stage, _ in passes_in_order(fittables_in_order(model)[1])] == [0]
    assert fitted(model).uncertainty_heads['both'].fitted


@pytest.mark.parametrize('options, message', [
    (dict(heads=['knn']), 'name at least two'), (dict(heads='knn'), 'name at least two'),
    (dict(heads=['knn', 'knn']), 'name at least two'), (dict(heads=['a', 'b'], reduction='mean'), "reduction='mean'")])
def test_what_cannot_be_added_up_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        SumOfScoresHead(5, **options)


@pytest.mark.parametrize('names, message', [(['knn', 'enrgy'], "'enrgy' is none of the heads .*Did you mean"),
                                            (['knn', 'both'], "'both' is a sum of scores itself")])
def test_names_that_lead_nowhere_are_told(names, message):
    with pytest.raises(ValueError, match=message):
        model_of(heads=HEADS | dict(other=dict(type='SumOfScoresHead', heads=names)))


def test_void_alone_and_broken_scores_are_refused():
    model = fitted(model_of())
    head = model.uncertainty_heads['both']
    inputs, samples = batch(1)
    outputs = model.frozen_outputs(inputs, samples)
    head.start_stage(1)
    head.update(outputs, torch.full((3, 50, 70), 255), [])
    head.merge_ranks()
    with pytest.raises(ValueError, match='SumOfScoresHead: no pixel .* is labelled'):
        head.finish_stage(1)
    model.uncertainty_heads['knn'].bank.fill_(torch.nan)
    with pytest.raises(ValueError, match="the head 'knn' gives NaN"):
        head.update(outputs, torch.zeros(3, 50, 70, dtype=torch.long), [])
