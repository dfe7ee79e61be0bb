"""Exported files flag what the model flags, and say what was promised of it."""
import json
import math

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from PIL import Image

from mmseg_uncertainty.apis import UncertaintyInferencer, load_posthoc
from mmseg_uncertainty.apis.export_parity import graph_parity, image_parity, is_equal, predicts_the_same, street
from mmseg_uncertainty.apis.exported_segmentor import ExportedSegmentor
from mmseg_uncertainty.apis.onnx_export import export_onnx, onnx_runner
from mmseg_uncertainty.apis.torch_export import export_torchscript, torchscript_predictor
from mmseg_uncertainty.runtime import exported_predictor
from mmseg_uncertainty.runtime.onnx_segmentor import OnnxSegmentor
from mmseg_uncertainty.runtime.prediction_writer import SaveOptions
from mmseg_uncertainty.runtime.map_files import load_maps
from tests.tiny import tiny_posthoc

pytest.importorskip('onnx', reason='onnx is not installed; pip install "mmseg_uncertainty[onnx]"')
pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')
HEADS = dict(msp=dict(type='MSPHead'), energy=dict(type='EnergyHead', resolution='native'))
DECISIONS = dict(
    flagged=dict(type='FlagThreshold', head='msp', alpha=0.1), native=dict(type='FlagThreshold', head='energy', promise='misses'),
    nothing=dict(type='FlagThreshold', head='msp'), all=dict(type='FlagThreshold', head='msp', promise='misses'),
    alarms=dict(type='FlagThreshold', head='msp', promise='frame_alarms', region=4))
QUANTILES = dict(flagged=0.6, native=0.5, nothing=math.inf, all=-math.inf, alarms=0.9)


@pytest.fixture
def files(tmp_path):
    """Config, checkpoint and a function that exports them."""
    init_default_scope('mmseg')

    def make(*steps, quantiles=QUANTILES):
        torch.manual_seed(0)
        pipeline = [dict(type='LoadImageFromFile'), *steps, dict(type='PackSegInputs')]
        config = Config(dict(default_scope='mmseg', model=dict(tiny_posthoc(HEADS), decisions=DECISIONS),
                             test_dataloader=dict(dataset=dict(pipeline=pipeline))))
        model = MODELS.build(config.model).eval()
        cells = model.cells(model.base(torch.randn(1, 3, 64, 96), [{}]), ())
        for name, value in quantiles.items():
            decision = model.decisions[name]
            scores = model.uncertainty_heads[decision.head](cells)
            decision.threshold.fill_(scores.quantile(value) if math.isfinite(value) else value)
            decision.feasible.fill_(math.isfinite(value))
        path = tmp_path / 'fitted.pth'
        torch.save(dict(state_dict=model.state_dict(), meta=dict(dataset_meta=dict(classes=list('abcde')))), path)
        return config, path

    return make


@pytest.mark.parametrize('steps', [(), (dict(type='Resize', scale=(72, 40), keep_ratio=True), )])
def test_files_flag_what_the_model_flags(files, tmp_path, steps):
    config, weights = files(*steps)
    segmentor = ExportedSegmentor(load_posthoc(config, weights))
    path = export_onnx(segmentor, tmp_path / 'model.onnx')
    rows = graph_parity(segmentor, onnx_runner(path), ((61, 83), ), (2, ))
    assert is_equal(rows) and {f'flags_{name}' for name in DECISIONS} <= rows[0]['difference'].keys()
    inferencer = UncertaintyInferencer(config, weights, 'cpu', show_progress=False)
    for predict in (OnnxSegmentor(path, show_progress=False).predict,
                    torchscript_predictor(export_torchscript(segmentor, tmp_path / 'model.pt'))):
        rows = image_parity(inferencer, predict, ((61, 83), ))
        assert predicts_the_same(rows) and 'flags_native' in rows[0]['difference']
        flags = predict(street(61, 83)).flags
        assert flags['all'].all() and not flags['nothing'].any() and 0 < flags['flagged'].mean() < 1


def test_summaries_of_files_are_those_of_the_model(files, tmp_path):
    config, weights = files()
    path = export_onnx(ExportedSegmentor(load_posthoc(config, weights)), tmp_path / 'model.onnx')
    image = street(64, 96)
    mine, = UncertaintyInferencer(config, weights, 'cpu', show_progress=False)(image)['predictions']
    save = SaveOptions(['json', 'uncertainty'])
    found, = OnnxSegmentor(path, show_progress=False)(image, out_dir=tmp_path / 'out', save=save)['predictions']
    assert found['flags'].keys() == mine['flags'].keys() and json.dumps(found)
    for name, expected in mine['flags'].items():
        share = found['flags'][name].pop('flagged_share')
        assert share == pytest.approx(expected.pop('flagged_share'), abs=2e-3) and found['flags'][name] == expected, name
    assert found['flags']['nothing']['threshold'] is None and 'alarm' in found['flags']['alarms']
    summary = (tmp_path / 'out/summaries/array_000000.json').read_text(encoding='utf-8')
    maps = load_maps(tmp_path / 'out/uncertainty/array_000000.npz')
    assert maps['flags_flagged'].mean() == json.loads(summary)['flags']['flagged']['flagged_share']


def test_large_resized_images_are_flagged_at_their_own_size(files, tmp_path, monkeypatch):
    monkeypatch.setattr(exported_predictor, 'TILE', 64)
    config, weights = files(dict(type='Resize', scale_factor=2., keep_ratio=True))
    path = export_onnx(ExportedSegmentor(load_posthoc(config, weights)), tmp_path / 'model.onnx')
    found = OnnxSegmentor(path, show_progress=False, max_pixels=100).predict(street(120, 140))
    for name, record in UncertaintyInferencer(config, weights, 'cpu', show_progress=False).decisions.items():
        assert (found.flags[name] == (found.uncertainty[record['head']] > np.float32(record['threshold']))).all()
        assert 0 < found.flags[name].mean() < 1 or name in ('nothing', 'all')


def test_decisions_go_with_their_head(files):
    config, weights = files()
    segmentor = ExportedSegmentor(load_posthoc(config, weights), heads=['energy'])
    assert [name for name in segmentor.output_names if name.startswith('flags_')] == ['flags_native']


def test_decisions_without_a_threshold_are_refused(files):
    config, weights = files(quantiles=dict(flagged=0.5))
    with pytest.raises(ValueError, match='FlagThreshold is not fitted'):
        ExportedSegmentor(load_posthoc(config, weights))


def test_promised_thresholds_take_the_place_of_those_of_the_score(files, tmp_path):
    config, weights = files()
    Image.fromarray(street(40, 40)).save(tmp_path / 'street.png')
    inferencer = UncertaintyInferencer(config, weights, 'cpu', show_progress=False)
    summary, = inferencer(tmp_path / 'street.png')['predictions']
    assert summary['uncertainty']['msp']['flagged_share'] == summary['flags']['flagged']['flagged_share']
    given = UncertaintyInferencer(config, weights, 'cpu', thresholds=dict(msp=0.7), show_progress=False)
    assert given.scales['msp'].threshold == 0.7
