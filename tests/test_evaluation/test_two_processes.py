"""Two processes give the numbers of one, bit for bit, also when they get different numbers of images."""
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
SCRIPT = Path(__file__).with_name('two_processes.py')


@pytest.fixture(scope='module')
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp('two_processes')
    environment = os.environ | dict(
        OMP_NUM_THREADS='1', PYTHONPATH=os.pathsep.join([str(SCRIPT.parents[2]), str(SCRIPT.parent)]))
    processes = [subprocess.Popen([sys.executable, str(SCRIPT), str(rank), str(folder)], env=environment, cwd=folder,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) for rank in range(2)]
    for process in processes:
        _, errors = process.communicate(timeout=900)
        assert process.returncode == 0, errors[-3000:]
    return [json.loads((folder / f'{rank}.json').read_text(), parse_constant=str) for rank in range(2)]


@pytest.mark.parametrize('images', [5, 1])
def test_two_processes_give_the_numbers_of_one(results, images, monkeypatch):
    monkeypatch.syspath_prepend(str(SCRIPT.parent))
    import two_processes
    alone = json.loads(json.dumps(two_processes.numbers(images)), parse_constant=str)
    assert len(alone) > 100
    assert results[0][str(images)] == results[1][str(images)] == alone


@pytest.mark.parametrize('images', [5, 1])
def test_what_a_sampler_pads_with_counts_once(results, images):
    for result in results:
        assert result['padded'][str(images)] == result[str(images)]


def test_images_that_come_twice_in_other_ways_are_refused_with_the_sampler_to_use(results):
    for result in results:
        assert 'images/0.png' in result['repetition'] and 'round_up=False' in result['repetition']
