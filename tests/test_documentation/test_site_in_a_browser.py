"""Pages of the site in a real browser, wide and narrow. ``SCREENSHOTS=DIR`` keeps pictures of them. The reference is left out."""
import os
from pathlib import Path

import pytest
import yaml

from tests.documentation import ROOT
from tests.test_app.conftest import browser  # noqa: F401

PAGES = ('index', 'choosing', 'gallery', 'deploy', 'evaluate', 'research', 'labelling', 'app')


class AnyTag(yaml.SafeLoader):
    """Reads tags of Python as nothing."""


AnyTag.add_multi_constructor('tag:yaml.org,2002:python/', lambda loader, suffix, node: None)


@pytest.fixture(scope='module')
def site(tmp_path_factory):
    pytest.importorskip('material', reason='mkdocs-material is not installed; pip install "mmseg_uncertainty[docs]"')
    from mkdocs.commands.build import build
    from mkdocs.config import load_config
    folder = tmp_path_factory.mktemp('site')
    settings = yaml.load((ROOT / 'mkdocs.yml').read_text(encoding='utf-8'), AnyTag)
    settings.update(docs_dir=str(ROOT / 'docs'), plugins=[], hooks=[], site_dir=str(folder / 'site'))
    settings['nav'] = [part for part in settings['nav'] if 'Reference' not in part]
    (folder / 'mkdocs.yml').write_text(yaml.safe_dump(settings))
    build(load_config(str(folder / 'mkdocs.yml')))
    return folder / 'site'


@pytest.mark.parametrize('width', [1400, 412])
def test_pages_fit_and_hold_their_pictures(site, browser, width):  # noqa: F811
    browser.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', dict(width=width, height=1000, deviceScaleFactor=1, mobile=False))
    try:
        for page in PAGES:
            browser.get(f'file://{site}/{page}.html')
            assert browser.execute_script('return document.documentElement.scrollWidth') <= width, page
            pictures = browser.execute_script(
                'return [...document.querySelectorAll("article img")]'
                '.filter(one => !one.complete || !one.naturalWidth).map(one => one.src)')
            assert not pictures, page
            links = browser.execute_script('return [...document.querySelectorAll("article a[href]")].map(one => one.href)')
            inside = [Path(link.removeprefix('file://').partition('#')[0]) for link in links if link.startswith(f'file://{site}')]
            assert all(path.is_file() or '/reference/' in str(path) for path in inside), (page, inside)
            if os.environ.get('SCREENSHOTS'):
                browser.save_screenshot(str(Path(os.environ['SCREENSHOTS']) / f'site_{page}_{width}.png'))
    finally:
        browser.execute_cdp_cmd('Emulation.clearDeviceMetricsOverride', {})
