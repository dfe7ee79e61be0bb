"""Agreement with what the released FlowEneDet computes, on stored inputs and outputs."""
from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from torch.testing import assert_close

from mmseg_uncertainty.functional import score_filters
from mmseg_uncertainty.functional.sampled_predictions import published_confidence_drop
from mmseg_uncertainty.functional.softmax_deviation import softmax_deviation
from mmseg_uncertainty.models.decode_heads.flow_enedet_head import FlowEneDetHead
from mmseg_uncertainty.models.decode_heads.standardized_max_logit_head import StandardizedMaxLogitHead
from mmseg_uncertainty.models.filters import BoundarySuppression, GaussianSmoothing
from mmseg_uncertainty.structures import FrozenOutputs

REPOSITORY = Path(__file__).resolve().parents[2]
GOLDEN = Path(os.environ.get('GOLDEN_ROOT', REPOSITORY.parent / 'shared' / 'golden')) / 'flowenedet'
FLOWS = sorted(path.stem for path in GOLDEN.glob('flow_*.pt')) or ['missing']

pytestmark = pytest.mark.skipif(not GOLDEN.is_dir(), reason=f'no reference vectors at {GOLDEN}; set GOLDEN_ROOT')


def load_converter():
    path = REPOSITORY / 'tools' / 'model_converters' / 'flowenedet.py'
    spec = importlib.util.spec_from_file_location('flowenedet_converter', path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope='module', params=FLOWS)
def golden(request) -> dict:
    return torch.load(GOLDEN / f'{request.param}.pt', weights_only=True)


def build_head(golden: dict, **options) -> FlowEneDetHead:
    conversion = load_converter().convert(golden['state_dict'], 'fed')
    config = {key: value for key, value in conversion.head_config().items() if key != 'type'}
    head = FlowEneDetHead(**config, **options).eval()
    state = {key.removeprefix('uncertainty_heads.fed.'): value for key, value in conversion.state_dict.items()}
    missing, unexpected = head.load_state_dict(state, strict=False)
    assert not unexpected
    assert {name.split('.')[0] for name in missing} <= {'statistics', 'iterations'}
    return head


def resize(maps: torch.Tensor, size) -> torch.Tensor:
    return F.interpolate(maps, size=size, mode='bilinear', align_corners=False)


@torch.no_grad()
def test_every_stage_of_the_flow(golden):
    head = build_head(golden)
    z, condition = head.flow_variables(golden['logits'], golden.get('features'))
    assert_close(z, golden['flow_input'], atol=1e-5, rtol=0)
    if 'context' in golden:
        assert_close(condition, golden['context'], atol=1e-5, rtol=0)
    x = z
    for block, expected in zip(head.flow.blocks, golden['block_outputs']):
        x, _ = block(x, condition)
        assert_close(x, expected, atol=5e-5, rtol=1e-5)
    output, log_det = head.flow(z, condition)
    assert_close(output, golden['flow_output'], atol=5e-5, rtol=1e-5)
    assert_close(log_det, golden['flow_logdet'], atol=5e-5, rtol=1e-5)
    assert_close(head.flow.log_joint(z, condition), golden['flow_logits'], atol=5e-5, rtol=1e-5)


@torch.no_grad()
def test_scores(golden):
    head = build_head(golden)
    score = head(golden['logits'], golden.get('features'))
    assert_close(score, golden['score'][:, 0], atol=1e-5, rtol=0)
    assert_close(GaussianSmoothing()(score, None), golden['score_gaussian'][:, 0], atol=1e-5, rtol=0)
    size = golden['output_size'].tolist()
    class_map = resize(golden['logits'], size).argmax(dim=1)
    published = BoundarySuppression()(resize(score[:, None], size)[:, 0], class_map)
    assert_close(published, golden['score_published'][:, 0], atol=1e-5, rtol=0)


@torch.no_grad()
def test_score_of_upsampled_maps(golden):
    factor = golden['output_size'][0].item() / golden['logits'].shape[-2]
    head = build_head(golden, scale_factor=factor, filters=[])
    score = head(golden['logits'], golden.get('features'))
    class_map = resize(golden['logits'], golden['output_size'].tolist()).argmax(dim=1)
    published = BoundarySuppression()(score, class_map)
    assert_close(published, golden['score_published_upsampled'][:, 0], atol=1e-5, rtol=0)


@torch.no_grad()
def test_loss(golden):
    head = build_head(golden)
    labels = golden['label'][:, 0].long()
    outputs = FrozenOutputs(resize(golden['logits'], labels.shape[-2:]), golden['logits'], golden.get('features'))
    assert_close(head.loss(outputs, labels)['loss_posterior'], golden['loss'], atol=1e-5, rtol=0)


def test_trainable_parameters(golden):
    state = golden['state_dict']
    expected = sum(value.numel() for key, value in state.items()
                   if 'flow_model' in key and not key.endswith(('.M', 'initialized')) and '.t.' not in key)
    assert sum(parameter.numel() for parameter in build_head(golden).parameters()) == expected


def test_the_converter_names_what_does_not_fit(golden):
    convert = load_converter().convert
    state = dict(golden['state_dict'])
    with pytest.raises(ValueError, match='differs from'):
        key = 'decode_head.flow_model.rnvp.0.t.0.weight'
        convert({**state, key: state[key] + 1}, 'fed')
    with pytest.raises(ValueError, match='ic.1.weight is missing'):
        convert({key: value for key, value in state.items() if 'ic.1.weight' not in key}, 'fed')
    with pytest.raises(ValueError, match='no checkpoint of a released FlowEneDet'):
        convert({'backbone.weight': torch.zeros(1)}, 'fed')
    extra = {'decode_head.flow_model.extra': torch.zeros(2), 'backbone.weight': torch.zeros(1)}
    conversion = convert({**state, **extra}, 'fed')
    assert 'backbone.weight' in conversion.state_dict
    assert any('extra' in note for note in conversion.notes)


@pytest.mark.parametrize('case', ['a', 'b'])
def test_boundary_suppression(case):
    with np.load(GOLDEN / 'boundary_suppression.npz') as file:
        values = {key.removeprefix(f'{case}_'): torch.from_numpy(file[key])[:, 0] for key in file if key[0] == case}
    score, class_map = values['score'], values['class_map']
    assert torch.equal(score_filters.class_boundaries(class_map), values['boundary'].bool())
    assert_close(score_filters.boundary_suppression(score, class_map), values['suppressed'], atol=1e-5, rtol=0)
    assert_close(BoundarySuppression()(score, class_map), values['output'], atol=1e-5, rtol=0)


def test_standardized_max_logit():
    with np.load(GOLDEN / 'baseline_scores.npz') as file:
        values = {key: torch.from_numpy(file[key]) for key in file}
    statistics = dict(means=values['class_means'].tolist(), variances=values['class_vars'].tolist())
    head = StandardizedMaxLogitHead(values['logits'].shape[1], statistics)
    logits = resize(values['logits'], values['sml_size'].tolist())
    assert_close(-head(logits), values['sml_conf'][:, 0], atol=1e-5, rtol=0)
    assert torch.equal(logits.argmax(dim=1), values['sml_class_map'][:, 0].long())
    filtered = StandardizedMaxLogitHead(values['logits'].shape[1], statistics,
                                        filters=[dict(type='BoundarySuppression')])
    assert_close(filtered(logits).sigmoid(), values['sml_score'][:, 0], atol=1e-5, rtol=0)


def test_softmax_deviation():
    with np.load(GOLDEN / 'baseline_scores.npz') as file:
        logits, confidence, published = (torch.from_numpy(file[key]) for key in ('logits', 'std_conf', 'std_score'))
    assert_close(-softmax_deviation(logits), confidence[:, 0], atol=1e-5, rtol=0)
    smooth = GaussianSmoothing()(softmax_deviation(logits), None)
    assert_close(smooth.sigmoid(), published[:, 0], atol=1e-5, rtol=0)


def test_mc_dropout():
    with np.load(GOLDEN / 'baseline_scores.npz') as file:
        stack, confidence, published = (torch.from_numpy(file[key])
                                        for key in ('mcd_softmax_stack', 'mcd_conf', 'mcd_score'))
    score = published_confidence_drop(stack)
    assert_close(-score, confidence[:, 0], atol=1e-5, rtol=0)
    assert_close(GaussianSmoothing()(score, None).sigmoid(), published[:, 0], atol=1e-5, rtol=0)
