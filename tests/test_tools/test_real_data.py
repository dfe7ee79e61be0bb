"""Known numbers of real models on real images."""
import json
from pathlib import Path

import pytest
import torch

CONFIGS = Path(__file__).resolve().parents[2] / 'local_configs'
# AP, FPR95 and AUROC in %, pooled pixels: 1024x512 input, logits upsampled to the size of the labels.
ERFNET = {
    'fs_static': dict(msp=(6.6, 35.3, 85.8), max_logit=(9.0, 30.5, 89.2), energy=(9.2, 30.3, 89.5),
                      entropy=(8.9, 35.8, 86.6)),
    'fs_lost_found': dict(msp=(6.5, 47.4, 88.4), max_logit=(11.8, 35.3, 93.2)),
    'road_anomaly': dict(msp=(11.6, 83.2, 58.4), max_logit=(12.4, 79.5, 61.0)),
}


@pytest.fixture
def two_threads():
    """Let the network use both cores of a small machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize('dataset', ERFNET)
def test_erfnet_finds_anomalies_as_well_as_known(run_tool, data_root, monkeypatch, two_threads, dataset):
    monkeypatch.setenv('DATA_ROOT', str(data_root.resolve()))
    run_tool('test', CONFIGS / 'erfnet/erfnet_cityscapes_SCORES.py', data_root.resolve() / 'weights/erfnet_cityscapes_mmseg.pth',
             '--test-dataset', dataset, '--eval', 'mFishy', '--out', 'results.json')
    metrics = json.loads(Path('results.json').read_text())['metrics']
    for head, expected in ERFNET[dataset].items():
        measured = [metrics[f'{head}/{name}[pooled]'] for name in ('AP', 'FPR95', 'AUROC')]
        assert measured == pytest.approx(expected, abs=0.3), head


def test_cgnet_segments_camvid_as_well_as_known(run_tool, data_root, monkeypatch, two_threads):
    monkeypatch.setenv('DATA_ROOT', str(data_root.resolve()))
    run_tool('test', CONFIGS / 'cgnet/cgnet_camvid_SCORES.py', data_root.resolve() / 'weights/cgnet_camvid11_mmseg.pth',
             '--eval', 'mIoU', 'IDM', 'ECE', '--out', 'results.json')
    metrics = json.loads(Path('results.json').read_text())['metrics']
    assert metrics['mIoU[pooled]'] == pytest.approx(65.3, abs=0.1)
    assert metrics['aAcc[pooled]'] == pytest.approx(90.3, abs=0.1)
    assert next(value for key, value in metrics.items() if key.endswith('ECE[pooled]')) == pytest.approx(0.031, abs=0.002)
