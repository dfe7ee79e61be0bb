"""A run goes on from the checkpoint that lies in its folder."""
import pytest

from mmseg_uncertainty.engine.checkpoints import CheckpointError
from mmseg_uncertainty.engine.resuming import last_checkpoint, note_last_checkpoint


def test_the_noted_checkpoint_is_found(tmp_path):
    assert last_checkpoint(tmp_path) is None
    (tmp_path / 'iter_2.pth').touch()
    assert note_last_checkpoint(tmp_path, 'iter_2.pth') == last_checkpoint(tmp_path) == tmp_path / 'iter_2.pth'


def test_a_moved_folder_holds_its_own(tmp_path):
    (tmp_path / 'here').mkdir()
    (tmp_path / 'here/iter_2.pth').touch()
    note_last_checkpoint(tmp_path / 'here', 'iter_2.pth')
    (tmp_path / 'here').rename(tmp_path / 'there')
    assert last_checkpoint(tmp_path / 'there') == tmp_path / 'there/iter_2.pth'


def test_a_checkpoint_kept_elsewhere_is_found(tmp_path):
    (tmp_path / 'run').mkdir()
    (tmp_path / 'elsewhere.pth').touch()
    (tmp_path / 'run/last_checkpoint').write_text(str(tmp_path / 'elsewhere.pth'))
    assert last_checkpoint(tmp_path / 'run') == tmp_path / 'elsewhere.pth'


def test_a_lost_checkpoint_is_named_with_those_that_are_there(tmp_path):
    (tmp_path / 'iter_2.pth').touch()
    for content in ('/gone/iter_4.pth', ''):
        (tmp_path / 'last_checkpoint').write_text(content)
        with pytest.raises(CheckpointError, match=f'{tmp_path}/last_checkpoint names .*iter_2.pth lies'):
            last_checkpoint(tmp_path)
