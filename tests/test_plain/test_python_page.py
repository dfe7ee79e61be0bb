"""Every snippet of the page on plain Python runs, as a user would run it: in a process of its own, in an empty folder."""
import os
import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from mmseg_uncertainty.plain.method_names import CALIBRATORS, HEADS, SETS

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / 'docs/python.md').read_text()
SNIPPETS = re.findall(r'```python\n(.*?)```', PAGE, flags=re.S)


def run(snippets, folder):
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([str(ROOT), *filter(None, [os.environ.get('PYTHONPATH')])]))
    process = subprocess.run([sys.executable, '-W', 'ignore', '-c', '\n'.join(snippets)], cwd=folder, env=environment,
                             text=True, capture_output=True)
    return process


def test_snippets_run_one_after_the_other(tmp_path):
    process = run([snippet for snippet in SNIPPETS if 'transformers' not in snippet], tmp_path)
    assert process.returncode == 0, process.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ['fitted.pth', 'interrupted', 'model.pt']


@pytest.mark.skipif(find_spec('transformers') is None, reason='transformers is not installed')
def test_networks_of_transformers_are_wrapped(tmp_path):
    process = run([SNIPPETS[0], 'import mmseg_uncertainty', *(snippet for snippet in SNIPPETS if 'transformers' in snippet)],
                  tmp_path)
    assert process.returncode == 0, process.stderr


def test_the_page_names_every_method():
    for name in (*HEADS, *CALIBRATORS, *SETS):
        assert f'`{name}`' in PAGE, name
