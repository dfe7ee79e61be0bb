"""Runs the command-line tools in this process."""
import importlib.util
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).resolve().parents[2] / 'tools'


@pytest.fixture
def run_tool(monkeypatch, tmp_path):
    """Call the ``main`` of a tool with these arguments, in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def run(name, *arguments):
        spec = importlib.util.spec_from_file_location(f'tool_{name.replace("/", "_")}', TOOLS / f'{name}.py')
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        monkeypatch.setattr(sys, 'argv', [f'{name}.py', *map(str, arguments)])
        return module.main()

    return run
