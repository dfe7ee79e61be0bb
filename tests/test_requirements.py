"""Installing the package asks for nothing that a tested environment does not have."""
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
tomllib = pytest.importorskip('tomllib', reason='Python 3.10 has no tomllib')
PROJECT = tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']
MATRIX = (ROOT / 'tools/test_matrix.sh').read_text()


def test_the_lower_bounds_are_those_of_the_lowest_row():
    bounds = dict(re.fullmatch(r'([\w.-]+)>=([\w.]+)', entry).groups() for entry in PROJECT['dependencies'])
    lowest = dict(entry.split('==') for entry in re.search(r"\nlowest='([^']*)'", MATRIX)[1].split())
    assert bounds == lowest | {'torch': re.search(r'^python310.*torch==([\d.]+)', MATRIX, re.MULTILINE)[1]}


def test_every_python_has_a_row():
    named = {entry.rpartition(' ')[2] for entry in PROJECT['classifiers'] if re.search(r'Python :: 3\.\d', entry)}
    assert named == set(re.findall(r'^[\w-]+\|(3\.\d+)\|', MATRIX, re.MULTILINE))


def test_stacks_are_held_to_nothing_but_their_line():
    assert all(re.fullmatch(r'[\w-]+>=[\d.]+,<\d', entry) for entry in PROJECT['optional-dependencies']['mmseg'])
