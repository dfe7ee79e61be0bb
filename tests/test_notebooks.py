"""The notebooks run from top to bottom."""
from pathlib import Path

import pytest

nbformat = pytest.importorskip('nbformat', reason='nbclient is not installed; pip install -r requirements-extras.txt')
nbclient = pytest.importorskip('nbclient', reason='nbclient is not installed; pip install -r requirements-extras.txt')
pytest.importorskip('ipykernel', reason='ipykernel is not installed; pip install -r requirements-extras.txt')
FOLDER = Path(__file__).resolve().parents[1] / 'docs/notebooks'


@pytest.mark.parametrize('path', sorted(FOLDER.glob('*.ipynb')), ids=lambda path: path.stem)
def test_notebook_runs(path, monkeypatch):
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    notebook = nbformat.read(path, as_version=4)
    assert not any(cell.get('outputs') for cell in notebook.cells), 'clear the outputs before committing'
    nbclient.NotebookClient(notebook, timeout=300, kernel_name='python3', resources=dict(metadata=dict(path=str(FOLDER)))).execute()
    assert any('image/png' in output.get('data', {}) for cell in notebook.cells for output in cell.get('outputs', ()))
