"""The site lists every method, from the records of the methods."""
import importlib.util
import inspect
from pathlib import Path

import pytest

from mmseg_uncertainty.models import calibrators, decode_heads, set_heads

pytest.importorskip('mkdocs', reason='mkdocs is not installed; pip install "mmseg_uncertainty[docs]"')
SPEC = importlib.util.spec_from_file_location('site_hooks', Path(__file__).resolve().parents[2] / 'tools/site_hooks.py')
site_hooks = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(site_hooks)


def test_every_method_has_a_row_with_its_source():
    table = site_hooks.methods_table()
    for package in (decode_heads, calibrators, set_heads):
        for name, method in inspect.getmembers(package, inspect.isclass):
            if 'info' in vars(method) and not inspect.isabstract(method):
                row = next(line for line in table.splitlines() if line.startswith(f'| `{name}` |'))
                assert method.info.title in row and row.endswith('| yes |' if method.info.fitted else '| no |')


def test_roles_become_code():
    html = 'see :class:<code>~mmseg_uncertainty.models.PosthocSegmentor</code> and :math:<code>-log p</code>'
    assert site_hooks.on_page_content(html, None, None, None) == 'see <code>PosthocSegmentor</code> and <code>-log p</code>'


def test_pages_of_the_reference_name_public_modules():
    names = list(site_hooks.modules('functional'))
    assert 'mmseg_uncertainty.functional.scores' in names and not any('._' in name for name in names)
