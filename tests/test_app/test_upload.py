"""What is uploaded is looked at before it is decoded."""
import pytest
from PIL import Image

gr = pytest.importorskip('gradio', reason='gradio is not installed; pip install "mmseg_uncertainty[app]"')

from mmseg_uncertainty.app import uncertainty_app  # noqa: E402


@pytest.fixture
def said(monkeypatch):
    messages = []
    monkeypatch.setattr(uncertainty_app.gr, 'Warning', lambda message, **_: messages.append(message))
    return messages


def test_a_small_file_of_many_pixels_is_never_decoded(tmp_path, said, monkeypatch):
    monkeypatch.setattr('cv2.imdecode', None)
    Image.new('1', (5000, 5000)).save(tmp_path / 'bomb.png')
    app = uncertainty_app.UncertaintyApp.__new__(uncertainty_app.UncertaintyApp)
    key, picture, note, _ = app.upload(str(tmp_path / 'bomb.png'))
    assert (key, picture) == ('', None) and 'cannot be used' in note
    assert len(said) == 1 and 'bomb.png has 5000×5000 pixels, expected 16,777,216 at most' in said[0]


@pytest.mark.parametrize('content', [b'', b'no picture at all', b'\x89PNG\r\n\x1a\n cut off'])
def test_the_advice_is_one_for_a_page(tmp_path, said, content):
    """Options of commands help nobody there."""
    (tmp_path / 'a.png').write_bytes(content)
    app = uncertainty_app.UncertaintyApp.__new__(uncertainty_app.UncertaintyApp)
    app.upload(str(tmp_path / 'a.png'))
    assert len(said) == 1 and said[0].startswith('a.png ') and '--' not in said[0] and str(tmp_path) not in said[0]
