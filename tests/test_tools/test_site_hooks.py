"""The site has a page for every public module."""
import importlib.util
from pathlib import Path

import pytest

pytest.importorskip('mkdocs', reason='mkdocs is not installed; pip install "mmseg_uncertainty[docs]"')
SPEC = importlib.util.spec_from_file_location('site_hooks', Path(__file__).resolve().parents[2] / 'tools/site_hooks.py')
site_hooks = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(site_hooks)


def test_roles_become_code():
    html = 'see :class:<code>~mmseg_uncertainty.models.PosthocSegmentor</code> and :math:<code>-log p</code>'
    assert site_hooks.on_page_content(html, None, None, None) == 'see <code>PosthocSegmentor</code> and <code>-log p</code>'


def test_pages_of_the_reference_name_public_modules():
    names = list(site_hooks.modules('functional'))
    assert 'mmseg_uncertainty.functional.scores' in names and not any('._' in name for name in names)
