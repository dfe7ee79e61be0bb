"""An exported file predicts what the model predicts, without torch."""
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from PIL import Image

from mmseg_uncertainty.apis import UncertaintyInferencer, load_posthoc, tiled_prediction
from mmseg_uncertainty.apis.exported_segmentor import ExportedSegmentor
from mmseg_uncertainty.apis.onnx_export import export_onnx
from mmseg_uncertainty.datasets import DatasetError
from mmseg_uncertainty.runtime import exported_predictor
from mmseg_uncertainty.runtime.onnx_segmentor import OnnxSegmentor
from tests.tiny import tiny_posthoc

onnx = pytest.importorskip('onnx', reason='onnx is not installed; pip install "mmseg_uncertainty[onnx]"')
pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')
ROOT = Path(__file__).resolve().parents[2]
MODEL = tiny_posthoc(dict(msp=dict(type='MSPHead'), energy=dict(type='EnergyHead')),
                     set_head=dict(type='ConformalRiskControlHead', num_classes=5, keep_curves=False))
# Imports that fail as they do where the distribution is not installed.
WITHOUT_TORCH = '''
import runpy, sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {"torch", "mmseg", "mmcv", "mmengine", "torchvision"}:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Blocker())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
'''


def config_of(*steps):
    pipeline = [dict(type='LoadImageFromFile'), *steps, dict(type='PackSegInputs')]
    return Config(dict(model=MODEL, test_dataloader=dict(dataset=dict(pipeline=pipeline))))


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    init_default_scope('mmseg')
    torch.manual_seed(0)
    state = MODELS.build(Config(MODEL)).state_dict()
    state['set_head.thresholds'].fill_(0.18)
    path = tmp_path_factory.mktemp('weights') / 'tiny.pth'
    torch.save(dict(state_dict=state, meta=dict(dataset_meta=dict(classes=list('abcde')))), path)
    return path


@pytest.fixture(scope='module')
def exported(weights, tmp_path_factory):
    def export(config, preprocess=True):
        segmentor = ExportedSegmentor(load_posthoc(config, weights), preprocess=preprocess)
        return export_onnx(segmentor, tmp_path_factory.mktemp('onnx') / 'tiny.onnx')

    init_default_scope('mmseg')
    return export


def noise(height, width):
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize('preprocess', [True, False])
def test_predictions_are_those_of_torch(exported, weights, preprocess):
    config = config_of()
    config.model.data_preprocessor.pop('size_divisor')
    inferencer = UncertaintyInferencer(config, weights, 'cpu', show_progress=False)
    segmentor = OnnxSegmentor(exported(config, preprocess), show_progress=False)
    for image in (noise(64, 96), noise(37, 53), noise(1, 1)):
        sample, = inferencer(image, return_datasamples=True)['predictions']
        found, = segmentor(image, return_predictions=True)['predictions']
        np.testing.assert_array_equal(found.labels, sample.pred_sem_seg.data[0])
        np.testing.assert_allclose(found.uncertainty['energy'], sample.uncertainty.energy[0], atol=1e-4)
        np.testing.assert_array_equal(found.set_membership, sample.prediction_set.membership)


@pytest.mark.parametrize('keep_ratio', [True, False])
def test_images_are_resized_as_in_the_test_pipeline(exported, weights, keep_ratio):
    config = config_of(dict(type='Resize', scale=(96, 64), keep_ratio=keep_ratio))
    config.model.data_preprocessor.pop('size_divisor')
    sample, = UncertaintyInferencer(config, weights, 'cpu', show_progress=False)(
        noise(90, 150), return_datasamples=True)['predictions']
    found = OnnxSegmentor(exported(config), show_progress=False).predict(noise(90, 150))
    assert found.labels.shape == found.set_size.shape == (90, 150)
    assert (found.labels == sample.pred_sem_seg.data[0].numpy()).mean() > 0.999


@pytest.mark.slow
def test_large_images_pass_in_the_tiles_of_torch(exported, weights, monkeypatch):
    config = config_of()
    monkeypatch.setattr(exported_predictor, 'TILE', 64)
    monkeypatch.setattr(tiled_prediction, 'TILE', 64)
    sample, = UncertaintyInferencer(config, weights, 'cpu', show_progress=False, max_pixels=100)(
        noise(300, 320), return_datasamples=True)['predictions']
    found = OnnxSegmentor(exported(config), show_progress=False, max_pixels=100).predict(noise(300, 320))
    np.testing.assert_array_equal(found.labels, sample.pred_sem_seg.data[0])
    np.testing.assert_allclose(found.uncertainty['msp'], sample.uncertainty.msp[0], atol=1e-4)


def test_large_images_are_refused_where_a_part_reads_all_of_them(exported):
    segmentor = OnnxSegmentor(exported(config_of()), show_progress=False, max_pixels=100)
    segmentor.predictor.whole_image = ['KandinskyHead']
    with pytest.raises(ValueError, match='street.png.*KandinskyHead.*max-pixels'):
        segmentor.predict(noise(40, 50), 'street.png')


def test_files_of_another_format_are_named(exported, tmp_path):
    graph = onnx.load(str(exported(config_of())))
    onnx.helper.set_model_props(graph, {entry.key: '1' if entry.key == 'format' else entry.value
                                        for entry in graph.metadata_props})
    onnx.save(graph, str(tmp_path / 'old.onnx'))
    with pytest.raises(ValueError, match='old.onnx was written by another version.*Export the model again'):
        OnnxSegmentor(tmp_path / 'old.onnx')


def test_files_that_are_no_exported_model_are_named(tmp_path):
    (tmp_path / 'note.onnx').write_text('no model')
    with pytest.raises(ValueError, match='note.onnx is not a model'):
        OnnxSegmentor(tmp_path / 'note.onnx')
    with pytest.raises(FileNotFoundError, match='mmseg-uncertainty export'):
        OnnxSegmentor(tmp_path / 'nothing.onnx')


def test_thresholds_and_broken_files(exported, tmp_path):
    path = exported(config_of())
    with pytest.raises(ValueError, match='entropy'):
        OnnxSegmentor(path, dict(entropy=1.))
    (tmp_path / 'a.png').write_text('no picture')
    Image.fromarray(noise(40, 40)).save(tmp_path / 'b.png')
    segmentor = OnnxSegmentor(path, dict(energy=-1e9), show_progress=False)
    with pytest.raises(DatasetError, match='a.png'):
        segmentor(tmp_path)
    results = segmentor(tmp_path, skip_broken=True)
    assert len(results['skipped']) == 1
    assert results['predictions'][0]['uncertainty']['energy']['flagged_share'] == 1


@pytest.mark.slow
def test_the_tool_runs_without_torch(exported, tmp_path):
    Image.fromarray(noise(64, 96)).save(tmp_path / 'street.png')
    command = [sys.executable, '-c', WITHOUT_TORCH, str(ROOT / 'tools/infer.py'), str(tmp_path / 'street.png'),
               str(exported(config_of())), '--out', str(tmp_path / 'out')]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / 'out/summaries/street.json').read_text())
    assert sum(area['pixels'] for area in summary['classes'].values()) == 64 * 96
    assert len(summary['model']['onnx_sha256']) == 64
    assert all((tmp_path / 'out' / file).is_file() for file in summary['files'].values())
