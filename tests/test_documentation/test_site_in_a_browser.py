"""Pages of the site in a real browser, wide and narrow. ``SCREENSHOTS=DIR`` keeps pictures of them. The reference is left out."""
import os
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml

from tests.documentation import ROOT
from tests.test_app.conftest import browser  # noqa: F401

PAGES = sorted(path.stem for path in (ROOT / 'docs').glob('*.md'))


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


@pytest.fixture(scope='module')
def served(site):
    """Address of the site; search and its worker are refused to files."""
    server = ThreadingHTTPServer(('127.0.0.1', 0), partial(QuietHandler, directory=str(site)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f'http://127.0.0.1:{server.server_port}'
    server.shutdown()


class QuietHandler(SimpleHTTPRequestHandler):

    def log_message(self, *_):
        pass


@pytest.mark.slow
@pytest.mark.parametrize('width', [1400, 412])
def test_pages_fit_hold_their_pictures_and_tell_no_errors(site, served, browser, width):  # noqa: F811
    browser.get_log('browser')
    browser.execute_cdp_cmd('Emulation.setDeviceMetricsOverride', dict(width=width, height=1000, deviceScaleFactor=1, mobile=False))
    try:
        for page in PAGES:
            browser.get(f'{served}/{page}.html')
            assert browser.execute_script('return document.documentElement.scrollWidth') <= width, page
            pictures = browser.execute_script(
                'return [...document.querySelectorAll("article img")]'
                '.filter(one => !one.complete || !one.naturalWidth).map(one => one.src)')
            assert not pictures, page
            links = browser.execute_script('return [...document.querySelectorAll("article a[href]")].map(one => one.href)')
            inside = [site / link.removeprefix(f'{served}/').partition('#')[0] for link in links if link.startswith(served)]
            assert all(path.exists() or '/reference/' in str(path) for path in inside), (page, inside)
            assert not [entry for entry in browser.get_log('browser') if entry['level'] == 'SEVERE'], page
            if os.environ.get('SCREENSHOTS'):
                browser.save_screenshot(str(Path(os.environ['SCREENSHOTS']) / f'site_{page}_{width}.png'))
    finally:
        browser.execute_cdp_cmd('Emulation.clearDeviceMetricsOverride', {})
