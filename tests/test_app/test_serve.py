"""The app is heard on this machine alone and gives away no file."""
import json
import os
import socket
import urllib.error
import urllib.request
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SECRET = 'held back from the browser'


def fetch(address, **options):
    try:
        with urllib.request.urlopen(urllib.request.Request(address, **options), timeout=20) as answer:
            return answer.status, answer.read().decode(errors='replace')
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors='replace')


@pytest.fixture
def secret(tmp_path):
    (tmp_path / 'secret.png').write_text(SECRET)
    return tmp_path / 'secret.png'


@pytest.mark.parametrize('route', ['gradio_api/file=', 'file=', 'gradio_api/file/', 'gradio_api/proxy=file://', 'static/',
                                   'gradio_api/stream/', 'theme.css/../'])
def test_files_outside_cannot_be_fetched(page, secret, route):
    for path in (str(secret), f'..{secret}', '/' + '../' * 12 + str(secret), str(ROOT / 'setup.py'), '/etc/passwd'):
        status, body = fetch(page.local_url + route + urllib.request.quote(path))
        assert status in (400, 401, 403, 404, 405, 422), (path, status)
        assert SECRET not in body and 'root:' not in body and 'find_packages' not in body


def test_a_file_named_in_a_request_is_not_opened(page, secret):
    fn = next(index for index, block in page.fns.items() if block.name == 'upload')
    data = [dict(path=str(secret), meta=dict(_type='gradio.FileData'), orig_name='a.png')]
    join = dict(data=data, fn_index=fn, session_hash='test')
    fetch(page.local_url + 'gradio_api/queue/join', data=json.dumps(join).encode(),
          headers={'Content-Type': 'application/json'})
    _, body = fetch(page.local_url + 'gradio_api/queue/data?session_hash=test')
    assert '"success": false' in body or '"success":false' in body
    assert SECRET[:8] not in body


def test_uploads_are_limited_in_size(page):
    boundary = 'x' * 20
    body = (f'--{boundary}\r\nContent-Disposition: form-data; name="files"; filename="a.png"\r\n'
            'Content-Type: image/png\r\n\r\n').encode() + bytes(26 * 2**20) + f'\r\n--{boundary}--\r\n'.encode()
    status, _ = fetch(page.local_url + 'gradio_api/upload', data=body,
                      headers={'Content-Type': f'multipart/form-data; boundary={boundary}'})
    assert status == 413


def test_it_listens_on_the_loopback_address_only(page):
    assert page.local_url.startswith('http://127.0.0.1:') and page.share_url is None
    others = {info[4][0] for info in socket.getaddrinfo(socket.gethostname(), None, socket.AF_INET)} - {'127.0.0.1', '127.0.1.1'}
    for address in others:
        with socket.socket() as probe:
            probe.settimeout(1)
            assert probe.connect_ex((address, page.server_port))


def test_no_reports_of_use(page):
    assert page.analytics_enabled is False
    assert os.environ['GRADIO_ANALYTICS_ENABLED'] == 'False'


def test_nothing_is_fetched_from_elsewhere(page):
    _, html = fetch(page.local_url)
    assert 'fonts.googleapis' not in html and 'cdnjs' not in html
