"""Heads that read layers of their choice: one pass, labels at their cells, windows, padding and the cache."""
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from torch.nn import functional as F
from torch.testing import assert_close

from mmseg_uncertainty.caching import BaseOutputCache, LastPass
from mmseg_uncertainty.functional.feature_distances import mahalanobis_distance
from mmseg_uncertainty.models.decode_heads import MahalanobisHead, ReActHead
from mmseg_uncertainty.models.fittable import fit_stage
from mmseg_uncertainty.structures import Grid, GridOutputs
from tests.test_models.test_decode_heads.test_sum_of_scores_head import batch, fitted
from tests.tiny import model_around, tiny_posthoc

STAGE, KEYS = 'backbone.layers.2.2:output', 'backbone.layers.3.1.0.attn.attn:keys'
HEADS = dict(near=dict(type='NearestNeighborHead', features_from=KEYS, per_class=20, neighbor=3, average=True),
             stage=dict(type='MahalanobisHead', features_from=STAGE, feature_channels=16),
             last=dict(type='MahalanobisHead'), energy=dict(type='EnergyHead'),
             cdnp=dict(type='SumOfScoresHead', heads=['near', 'energy']))


def model_of(mode='whole'):
    init_default_scope('mmseg')
    torch.manual_seed(0)
    config = tiny_posthoc(HEADS)
    if mode == 'slide':
        config['test_cfg'] = dict(mode='slide', crop_size=(64, 64), stride=(32, 32))
    return MODELS.build(Config(config)).eval()


def test_the_layer_names_are_those_of_the_backbone():
    model = model_of()
    assert model.layers == (KEYS, STAGE)
    passed = model.base(torch.rand(2, 3, 64, 96), [{}] * 2, model.layers)
    assert passed.layers[KEYS].shape == (2, 16, 2, 3) and passed.layers[STAGE].shape == (2, 16, 4, 6)


@pytest.mark.parametrize('mode', ['whole', 'slide'])
def test_all_layers_are_read_in_the_passes_made_anyway(mode):
    model, calls = fitted(model_of(mode)), []
    model.base.register_forward_hook(lambda *_: calls.append(1))
    results = model.predict(*batch(3))
    assert len(calls) == (1 if mode == 'whole' else 2)
    for result in results:
        for name in HEADS:
            assert result.uncertainty.get(name).shape[-2:] == (50, 70) and result.uncertainty.get(name).isfinite().all()


def test_scores_are_those_of_the_layer_at_its_own_size_then_resized():
    model = fitted(model_of())
    inputs, samples = batch(3)
    passed = model.base(inputs, [{}] * 3, model.layers)
    head = model.uncertainty_heads['stage']
    own = mahalanobis_distance(passed.layers[STAGE], head.means, head.factor)
    expected = F.interpolate(own[:, None], passed.native.shape[2:], mode='bilinear')[:, 0]
    assert_close(head(model.cells(passed, [])), expected)


def test_a_head_of_a_layer_is_fitted_as_on_that_map_with_its_labels():
    model = fitted(model_of())
    head, alone = model.uncertainty_heads['stage'], MahalanobisHead(5, feature_channels=16)
    alone.start_stage(0)
    for seed in (1, 2):
        inputs, samples = batch(seed)
        maps = model.base(inputs, [{}] * 3, model.layers).layers[STAGE]
        for index, sample in enumerate(samples):
            grid = Grid.of_input((64, 96), sample.metainfo, False).over((4, 6))
            labels = grid.labels(sample.gt_sem_seg.data[0])[None]
            alone.add(maps[index:index + 1].movedim(1, -1), labels, None, [{}])
    alone.finish_stage(0)
    assert_close(head.means, alone.means, rtol=1e-4, atol=1e-5)
    assert_close(head.factor, alone.factor, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize('kept', [lambda folder: BaseOutputCache(folder, dict(base='tiny'), 'float32'), lambda folder: LastPass()])
def test_layers_come_from_the_cache_as_they_were_computed(kept, tmp_path):
    model = fitted(model_of())
    inputs, samples = batch(3)
    expected = [result.uncertainty for result in model.predict(inputs, samples)]
    expected = [{name: maps.get(name).clone() for name in HEADS} for maps in expected]
    model.cache = kept(tmp_path)
    for _ in range(2):
        for maps, result in zip(expected, model.predict(inputs, batch(3)[1])):
            for name in HEADS:
                assert_close(result.uncertainty.get(name), maps[name], rtol=1e-4, atol=1e-4)


def test_layers_of_single_images_and_of_several_stay_together():
    generator = torch.Generator().manual_seed(0)
    outputs = GridOutputs(torch.randn(3, 5, 4, 6, generator=generator), layers=dict(a=torch.randn(3, 2, 8, 12, generator=generator)))
    one = outputs.of(1)
    assert torch.equal(one.layers['a'], outputs.layers['a'][1:2])
    at_layer = outputs.at_layer('a')
    assert at_layer.features is outputs.layers['a'] and at_layer.logits.shape == (3, 5, 8, 12) and outputs.at_layer(None) is outputs
    with pytest.raises(ValueError, match="The layer 'b' was not read in this pass"):
        outputs.at_layer('b')


@pytest.mark.parametrize('options, message', [
    (dict(features_from='backbone.layers.9'), 'names no layer of'),
    (dict(features_from=STAGE), "how many channels features_from='backbone.layers.2.2:output' has cannot be seen"),
])
def test_layers_that_cannot_be_read_are_told(options, message):
    with pytest.raises(ValueError, match=message):
        MODELS.build(Config(tiny_posthoc(dict(head=dict(type='MahalanobisHead', **options)))))


def test_other_widths_and_other_layers_are_told():
    model = MODELS.build(Config(tiny_posthoc(dict(
        head=dict(type='MahalanobisHead', features_from=STAGE, feature_channels=7))))).eval()
    inputs, samples = batch(1)
    labels = torch.cat([sample.gt_sem_seg.data for sample in samples]).long()
    parts = [(model.frozen_outputs(inputs, samples), labels, [sample.metainfo for sample in samples])]
    with pytest.raises(ValueError, match='the features have 16 channels, expected feature_channels=7'):
        fit_stage(dict(head=model.uncertainty_heads['head']), 0, parts)
    with pytest.raises(ValueError, match="ReActHead reads the features that the classifier reads, so features_from='x'"):
        ReActHead(5, features_from='x').bind(model_around(model.base.network))
