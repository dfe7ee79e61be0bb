"""Scores of other heads as inputs of a flow: the same maps, asked for once, fitted first and then left alone."""
import copy

import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from torch.testing import assert_close

from mmseg_uncertainty.functional.pixel_samples import at_pixels
from mmseg_uncertainty.models.decode_heads import FlowEneDetHead
from mmseg_uncertainty.models.fittable import evidence_of_flows, fit_stage, fittables_in_order, passes_in_order
from mmseg_uncertainty.structures import GridOutputs
from tests.test_models.test_decode_heads.test_sum_of_scores_head import batch
from tests.tiny import tiny_posthoc

FLOW = dict(type='FlowEneDetHead', inputs=['doubt_log_odds', 'energy'], evidence=['knn', 'gen'],
            flow=dict(kernel_size=1, hidden_channels=8, blocks=2))
HEADS = dict(msp=dict(type='MSPHead'), fed=FLOW, knn=dict(type='NearestNeighborHead', per_class=20), gen=dict(type='GENHead'))


def model_of(heads=HEADS, mode='whole', **options):
    init_default_scope('mmseg')
    torch.manual_seed(0)
    config = tiny_posthoc(copy.deepcopy(heads), **options)
    if mode == 'slide':
        config['test_cfg'] = dict(mode='slide', crop_size=(64, 64), stride=(32, 32))
    return MODELS.build(Config(config)).eval()


def fit_evidence(model):
    inputs, samples = batch(1)
    labels = torch.cat([sample.gt_sem_seg.data for sample in samples]).long()
    for stage, modules in passes_in_order(evidence_of_flows(model)):
        fit_stage(modules, stage, [(model.frozen_outputs(inputs, samples), labels, [sample.metainfo for sample in samples])])
    return model


def learn(model, iterations=1):
    optimizer = torch.optim.AdamW(model.uncertainty_heads['fed'].parameters(), lr=1e-2)
    model.uncertainty_heads['fed'].train()
    for seed in range(iterations):
        inputs, samples = batch(seed)
        loss = model.loss(inputs, samples)['fed.loss_posterior']
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return model.eval()


def cells_of(model, seed=2):
    passed = model.pass_through(batch(seed)[0], [{}] * 3)
    return model.cells(passed)


@pytest.mark.parametrize('scale_factor', [1., 2.])
def test_the_flow_takes_the_maps_of_the_heads_behind_its_own_inputs(scale_factor):
    model = fit_evidence(model_of({**HEADS, 'fed': {**FLOW, 'scale_factor': scale_factor}}))
    head, cells = model.uncertainty_heads['fed'], cells_of(model)
    with torch.no_grad():
        z, _ = head._cell_variables(cells)
        maps = [model.uncertainty_heads[name](cells)[:, None] for name in ('knn', 'gen')]
    if scale_factor != 1:
        maps = [torch.nn.functional.interpolate(one, scale_factor=scale_factor, mode='bilinear') for one in maps]
    assert z.shape[1] == head.flow.channels == 4
    assert_close(z[:, 2:], torch.cat(maps, dim=1))


def test_single_pixels_see_evidence_as_resized_maps_have_it():
    model = fit_evidence(model_of({**HEADS, 'fed': {**FLOW, 'training_pixels': 16}}))
    head, (inputs, samples), seen = model.uncertainty_heads['fed'].train(), batch(2), []
    labels = torch.cat([sample.gt_sem_seg.data for sample in samples]).long()
    outputs = model.frozen_outputs(inputs, samples)
    head.flow.register_forward_pre_hook(lambda _, arguments: seen.append(arguments[0]))
    torch.manual_seed(3)
    head.loss(outputs, labels)
    torch.manual_seed(3)
    flat = torch.randint(labels[0].numel(), (len(labels), 16))
    pixels = torch.stack([flat // labels.shape[-1], flat % labels.shape[-1]], dim=-1)
    expected = at_pixels(model.uncertainty_heads['knn'](outputs.windows[0])[:, None], pixels, tuple(labels.shape[-2:]))
    assert_close(seen[-1][:, 2:3], expected)


@pytest.mark.parametrize('mode', ['whole', 'slide'])
def test_evidence_costs_no_further_pass_and_no_further_search(mode):
    model, calls = model_of(mode=mode), []
    model.load_state_dict(learn(fit_evidence(model_of())).state_dict())
    model.base.register_forward_hook(lambda *_: calls.append('base'))
    model.uncertainty_heads['knn'].register_forward_hook(lambda *_: calls.append('knn'))
    result = model.predict(*batch(3))
    assert calls.count('base') == calls.count('knn') == (1 if mode == 'whole' else 2)
    assert result[0].uncertainty.fed.isfinite().all()


def test_an_unfitted_flow_ranks_as_its_first_input_whatever_the_evidence():
    model = learn(fit_evidence(model_of()), iterations=0)
    inputs, samples = batch(1)
    model.uncertainty_heads['fed'].train()
    model.loss(inputs, samples)
    model.eval()
    cells = cells_of(model)
    ranks = [model.uncertainty_heads[name](cells).flatten().argsort().argsort().double() for name in ('fed', 'msp')]
    assert torch.corrcoef(torch.stack(ranks))[0, 1] > 0.95


def test_evidence_that_tells_mistakes_is_used():
    """Labels that the distance to the bank decides: the flow finds them, and one without evidence does not."""
    found = {}
    for name, evidence in dict(blind=['gen'], seeing=['gen', 'knn']).items():
        model = fit_evidence(model_of({**HEADS, 'fed': {**FLOW, 'evidence': evidence}, 'more': {**FLOW, 'evidence': ['knn']}}))
        head = model.uncertainty_heads['fed'].train()
        outputs = model.frozen_outputs(*batch(5))
        size = tuple(outputs.logits.shape[-2:])
        far = at_pixels(model.uncertainty_heads['knn'](outputs.windows[0])[:, None],
                        torch.stack(torch.meshgrid(*map(torch.arange, size), indexing='ij'), dim=-1).view(1, -1, 2).expand(3, -1, 2),
                        size).view(3, *size)
        predicted = outputs.output.classes
        labels = predicted.where(far < far.median(), (predicted + 1) % 5)
        optimizer = torch.optim.AdamW(head.parameters(), lr=2e-2)
        for _ in range(40):
            loss = head.loss(outputs, labels)['loss_posterior']
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        found[name] = loss.item()
    assert found['seeing'] < 0.6 * found['blind']


def test_what_a_flow_has_learned_from_is_not_fitted_again():
    model = fit_evidence(model_of())
    assert 'uncertainty_heads.knn' in fittables_in_order(model)[1]
    learn(model)
    assert not any('knn' in name for group in fittables_in_order(model) for name in group)
    copied = model_of()
    copied.load_state_dict(model.state_dict())
    assert not any('knn' in name for group in fittables_in_order(copied) for name in group)


def test_a_decision_about_the_flow_reads_its_evidence_too():
    model = model_of(decisions=dict(flagged=dict(type='FlagThreshold', head='fed', alpha=0.2)))
    assert model.decisions['flagged'].reads == ('fed', 'knn', 'gen')
    assert 'uncertainty_heads.knn' in fittables_in_order(model)[0]


def test_a_flow_that_learns_from_heads_without_a_fit_says_so():
    with pytest.raises(RuntimeError, match='NearestNeighborHead was not fitted'):
        learn(model_of())


@pytest.mark.parametrize('options, message', [
    (dict(evidence='knn'), "evidence='knn' is one string"), (dict(evidence=['kn']), "'kn' is none of the heads .*Did you mean"),
    (dict(evidence=['both']), "'both' is a sum of scores itself"), (dict(evidence=['other']), r"\['other'\] learns by gradient"),
    (dict(inputs=['energy'], evidence=[]), 'at least two'), (dict(variant='published', flow=None), "needs variant='exact'")])
def test_wrong_evidence_is_named(options, message):
    heads = {**HEADS, 'fed': {**FLOW, **options}, 'both': dict(type='SumOfScoresHead', heads=['knn', 'msp']),
             'other': dict(type='FlowEneDetHead')}
    with pytest.raises(ValueError, match=message):
        model_of(heads)


def test_a_head_alone_says_what_it_lacks():
    head = FlowEneDetHead(5, evidence=['knn'], flow=dict(kernel_size=1)).eval()
    with pytest.raises(RuntimeError, match='this head is in none'):
        head(GridOutputs(torch.randn(1, 5, 4, 4)))
