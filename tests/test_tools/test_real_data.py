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
    """Let the network use both cores of a small machine, and subnormal numbers be zero, as commands do."""
    torch.set_flush_denormal(True)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize('dataset', ERFNET)
def test_erfnet_finds_anomalies_as_well_as_known(run_tool, data_root, monkeypatch, two_threads, dataset):
    monkeypatch.setenv('DATA_ROOT', str(data_root.resolve()))
    run_tool('test', CONFIGS / 'erfnet/erfnet_cityscapes_SCORES.py', data_root.resolve() / 'weights/erfnet_cityscapes_mmseg.pth',
             '--test-dataset', dataset, '--eval', 'mFishy', '--out', 'results.json', '--cfg-options', 'test_evaluator.0.resamples=0')
    metrics = json.loads(Path('results.json').read_text())['metrics']
    for head, expected in ERFNET[dataset].items():
        measured = [metrics[f'{head}/{name}[pooled]'] for name in ('AP', 'FPR95', 'AUROC')]
        assert measured == pytest.approx(expected, abs=0.3), head


def test_cgnet_segments_camvid_as_well_as_known(run_tool, data_root, monkeypatch, two_threads):
    monkeypatch.setenv('DATA_ROOT', str(data_root.resolve()))
    run_tool('test', CONFIGS / 'cgnet/cgnet_camvid_SCORES.py', data_root.resolve() / 'weights/cgnet_camvid11_mmseg.pth',
             '--eval', 'mIoU', 'ECE', '--out', 'results.json')
    metrics = json.loads(Path('results.json').read_text())['metrics']
    assert metrics['mIoU[pooled]'] == pytest.approx(65.3, abs=0.1)
    assert metrics['aAcc[pooled]'] == pytest.approx(90.3, abs=0.1)
    assert next(value for key, value in metrics.items() if key.endswith('ECE[pooled]')) == pytest.approx(0.031, abs=0.002)


SETS = {'cgnet/cgnet_camvid_CRC.py': ([], 0.03, 2.5, 0.4),
        'cgnet/cgnet_camvid_KANDINSKY.py': (['model.set_head.grouping=zones', 'model.set_head.risk.alpha=0.1'],
                                            0.03, 4.5, 0.07)}


@pytest.mark.parametrize('config', SETS)
def test_sets_calibrated_on_real_frames_cover_other_frames(run_tool, data_root, monkeypatch, two_threads, config):
    """Every third frame of each half; every quantity appears with its interval."""
    monkeypatch.setenv('DATA_ROOT', str(data_root.resolve()))
    options, highest_risk, largest_size, fewest_singletons = SETS[config]
    base = data_root.resolve() / 'weights/cgnet_camvid11_mmseg.pth'
    third = ','.join(map(str, range(0, 110, 3)))
    few = [f'{loader}_dataloader.dataset.indices=[{third}]' for loader in ('train', 'test')]
    run_tool('train', CONFIGS / config, '--load-from', base, '--work-dir', 'run', '--cfg-options', few[0], *options)
    run_tool('test', CONFIGS / config, 'run/calibrated.pth', '--eval', 'coverage', '--out', 'results.json',
             '--work-dir', 'run', '--cfg-options', few[1], 'test_evaluator.0.resample_by=image', *options)
    metrics = json.loads(Path('results.json').read_text())['metrics']
    for name in ('risk', 'binary_risk', 'coverage', 'mean_size', 'singletons', 'full', 'coverage.car', 'coverage.pole',
                 'coverage.size1', 'coverage.size2', 'coverage.worst_class', 'coverage.worst_size', 'miss.car'):
        low, value, high = (metrics[f'set/{name}{bound}[pooled]'] for bound in ('_low', '', '_high'))
        assert low <= high and low - 0.1 <= value <= high + 0.1, name
    # Few frames make careful sets: n / (n + 1) of the level is promised, and 1 / (n + 1) of it given away.
    assert 0 < metrics['set/risk[pooled]'] <= highest_risk
    assert 1 < metrics['set/mean_size[pooled]'] <= largest_size
    assert metrics['set/singletons[pooled]'] > fewest_singletons and metrics['set/full[pooled]'] < 0.01
