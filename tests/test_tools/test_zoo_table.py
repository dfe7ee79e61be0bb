"""The table of models: every line of it is tried here."""
import importlib.util
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / 'docs/models.md').read_text(encoding='utf-8').splitlines()


def load_tool():
    spec = importlib.util.spec_from_file_location('zoo_table', ROOT / 'tools/zoo_table.py')
    sys.modules['zoo_table'] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(sys.modules['zoo_table'])
    return sys.modules['zoo_table']


ZOO = load_tool()


@pytest.mark.parametrize('family', ZOO.FAMILIES, ids=lambda family: family.name)
def test_a_family_does_what_the_table_says(family):
    assert ZOO.row(family) in PAGE


def test_the_table_is_whole():
    header = next(index for index, line in enumerate(PAGE) if line.startswith('| family'))
    rows = [line for line in PAGE[header + 1:] if line.startswith('| ')]
    assert len(rows) == len(ZOO.FAMILIES)
    assert sum('| works |' in row for row in rows) >= 25
    names = [family.name.lower() for family in ZOO.FAMILIES]
    for wanted in ('convnext', 'swin', 'setr', 'segmenter', 'bit', 'mask2former', 'maskformer', 'unet', 'pspnet', 'upernet',
                   'segnext', 'pidnet'):
        assert any(wanted in name for name in names)
