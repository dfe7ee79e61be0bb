"""Every script can be read: what it imports is there."""
import runpy
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / 'tools'


@pytest.mark.parametrize('path', sorted([*TOOLS.glob('*.py'), *TOOLS.glob('benchmarks/*.py')]), ids=lambda path: path.stem)
def test_a_script_finds_what_it_imports(path, monkeypatch):
    monkeypatch.syspath_prepend(str(path.parent))
    assert runpy.run_path(str(path))['__doc__']
