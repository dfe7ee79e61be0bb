"""The benchmark for machines with a GPU runs without one, and sees what differs."""
import argparse
import math
from pathlib import Path

import pytest
import torch

FOLDER = Path(__file__).resolve().parents[2] / 'tools/benchmarks'
ARGS = argparse.Namespace(device='cpu', quick=True)


@pytest.fixture(scope='module')
def benchmark():
    patch = pytest.MonkeyPatch()
    patch.syspath_prepend(str(FOLDER))
    import gpu
    yield gpu
    patch.undo()


def test_equal_devices_agree_in_fits_and_predictions(benchmark, monkeypatch):
    monkeypatch.setattr(benchmark, 'HEADS', {name: benchmark.HEADS[name] for name in ('mahalanobis', 'knn_energy', 'fedc', 'rba')})
    monkeypatch.setattr(benchmark, 'CALIBRATORS', ['temperature'])
    monkeypatch.setattr(benchmark, 'SETS', ['crc', 'weighted'])
    monkeypatch.setattr(benchmark, 'DECISIONS', ['false_alarms'])
    rows = list(benchmark.parity(ARGS))
    assert [row['name'] for row in rows] == ['head mahalanobis', 'head knn_energy', 'head fedc', 'calibrator temperature, MSP',
                                             'sets crc', 'sets weighted', 'decision false_alarms']
    assert all(row['ours'] == 0 for row in rows)


def test_what_differs_is_seen(benchmark):
    scores = torch.rand(1, 6, 8)
    assert benchmark.distance(scores, scores) == 0
    assert benchmark.distance(scores + 1, scores) == pytest.approx(1 / float(scores.double().std()))
    assert benchmark.differing(scores > 0.5, scores <= 0.5) == 1
    assert benchmark.largest(dict(a=1., b=math.nan), dict(a=1., b=math.nan)) == 0
    assert benchmark.largest(dict(a=99.), dict(a=100.)) == 0.01 and benchmark.largest(dict(a=math.nan), dict(a=1.)) == math.inf
    assert 'beyond' in benchmark.within('x', 2, 1, 's', '')['protocol']
    assert 'beyond' not in benchmark.within('x', 1, 1, 's', '')['protocol']


def test_evaluators_and_times_are_measured(benchmark):
    rows = {row['name']: row for part in (benchmark.evaluators, benchmark.bandwidth) for row in part(ARGS)}
    assert all(rows[f'evaluator {name}']['ours'] == 0 for name in benchmark.EVALUATORS)
    assert all(math.isnan(rows[f'evaluator {name}, waits of the host']['ours']) for name in benchmark.EVALUATORS)
    assert 0 < rows['five scores and the prediction, share of the bandwidth']['ours'] < 100


def test_a_machine_without_gpu_is_told(benchmark, monkeypatch):
    monkeypatch.setattr(torch.cuda, 'is_available', lambda: False)
    with pytest.raises(SystemExit, match='finds no GPU here.*--device cpu --quick'):
        next(benchmark.rows(argparse.Namespace(device='cuda', quick=True)))
