"""The notebooks run from top to bottom, and show what they gave."""
from pathlib import Path

import pytest

nbformat = pytest.importorskip('nbformat', reason='nbclient is not installed; pip install -r requirements-extras.txt')
nbclient = pytest.importorskip('nbclient', reason='nbclient is not installed; pip install -r requirements-extras.txt')
pytest.importorskip('ipykernel', reason='ipykernel is not installed; pip install -r requirements-extras.txt')
FOLDER = Path(__file__).resolve().parents[1] / 'docs/notebooks'


def outputs_of(notebook):
    """Kinds of what each cell of code shows, without what is only logged."""
    return [[sorted(output['data']) for output in cell.outputs if output.output_type != 'stream'] for cell in notebook.cells
            if cell.cell_type == 'code']


@pytest.mark.parametrize('path', sorted(FOLDER.glob('*.ipynb')), ids=lambda path: path.stem)
def test_notebook_runs(path, monkeypatch):
    monkeypatch.setenv('OMP_NUM_THREADS', '1')
    notebook = nbformat.read(path, as_version=4)
    shown = outputs_of(notebook)
    assert shown and all(shown), 'run the notebook before committing'
    assert str(FOLDER.parents[1]) not in path.read_text(encoding='utf-8')
    nbclient.NotebookClient(notebook, timeout=300, kernel_name='python3', resources=dict(metadata=dict(path=str(FOLDER)))).execute()
    assert any('image/png' in output.get('data', {}) for cell in notebook.cells for output in cell.get('outputs', ()))
    assert outputs_of(notebook) == shown
