"""The tutorial of a network of one's own, with everything small."""
import json
import runpy
import sys
from pathlib import Path

import cv2
import pytest

from mmseg_uncertainty.apis import UncertaintyInferencer
from mmseg_uncertainty.datasets.toy_roads import render_street_scene
from mmseg_uncertainty.runtime.onnx_segmentor import OnnxSegmentor

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / 'local_configs/roadnet'
FEW = ['--cfg-options', 'test_dataloader.dataset.length=2', 'test_dataloader.num_workers=0',
       'test_dataloader.persistent_workers=False']
SHORT = ['--cfg-options', 'train_dataloader.num_workers=0', 'train_dataloader.persistent_workers=False']


@pytest.fixture
def trained(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, 'argv', ['road_net.py', '--out', str(tmp_path / 'road_net.pth'), '--iterations', '4', '--batch', '2'])
    runpy.run_path(str(ROOT / 'docs/examples/road_net.py'), run_name='__main__')
    return tmp_path / 'road_net.pth'


def test_from_a_network_to_sets_and_a_file_for_elsewhere(run_tool, tmp_path, trained):
    run_tool('test', CONFIGS / 'roadnet_toy_roads_SCORES.py', trained, '--eval', 'mIoU', 'IDM', '--report', tmp_path / 'scores',
             *FEW)
    assert (tmp_path / 'scores/report.html').is_file()
    run_tool('train', CONFIGS / 'roadnet_toy_roads_FEDC.py', '--load-from', trained, '--work-dir', tmp_path / 'fedc', *SHORT,
             'train_cfg.max_iters=2', 'default_hooks.checkpoint.interval=2', 'train_dataloader.batch_size=2')
    config = CONFIGS / 'roadnet_toy_roads_FEDC_CRC.py'
    run_tool('train', config, '--load-from', tmp_path / 'fedc/iter_2.pth', '--work-dir', tmp_path / 'crc', *SHORT,
             'train_dataloader.dataset.length=20')
    fitted = tmp_path / 'crc/calibrated.pth'
    run_tool('test', config, fitted, '--eval', 'mIoU', 'IDM', 'ECE', 'coverage', '--out', tmp_path / 'all.json', *FEW)
    metrics = json.loads((tmp_path / 'all.json').read_text())['metrics']
    assert {'fedc/IDM_AP[pooled]', 'msp/IDM_AP[pooled]'} <= set(metrics)
    run_tool('export_onnx', config, fitted, '--out', tmp_path / 'net.onnx', '--preprocess', '--sizes', '96x128')
    image = tmp_path / 'street.png'
    cv2.imwrite(str(image), render_street_scene([9])[0][..., ::-1])
    exported = OnnxSegmentor(tmp_path / 'net.onnx')(image, out_dir=tmp_path / 'onnx')['predictions'][0]
    own = UncertaintyInferencer(config, fitted, 'cpu', show_progress=False)(str(image))['predictions'][0]
    assert exported['classes'] == own['classes']
