"""Results appear whole, and paths that cannot hold them are found beforehand."""
import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.fileio import LocalBackend

from mmseg_uncertainty.engine.atomic_backend import AtomicBackend
from mmseg_uncertainty.runtime.json_files import write_json
from mmseg_uncertainty.runtime.output_files import OutputError, check_output_file, check_output_folder, whole_file


@pytest.mark.parametrize('value, expected', [
    (np.float32(0.5), 0.5), (np.int64(3), 3), (np.bool_(True), True), (np.array([[1, 2]]), [[1, 2]]), (torch.tensor(2.), 2.),
    (np.float32('nan'), None), (float('inf'), None),
    ({np.int64(1): (np.float64(2), )}, {'1': [2]}), ({np.float32('nan')}, [None])])
def test_numbers_of_any_kind_are_written(tmp_path, value, expected):
    write_json(tmp_path / 'a/r.json', dict(value=value))
    assert json.loads((tmp_path / 'a/r.json').read_text()) == dict(value=expected)
    assert os.listdir(tmp_path / 'a') == ['r.json']


def test_names_may_be_as_long_as_the_file_system_takes(tmp_path):
    path = tmp_path / ('测' * 83 + '.json')
    write_json(path, dict(a=1))
    assert len(path.name.encode()) == 254 and json.loads(path.read_text()) == dict(a=1)


def test_nothing_is_left_of_what_failed(tmp_path):
    (tmp_path / 'r.json').write_text('before')
    with pytest.raises(TypeError):
        write_json(tmp_path / 'r.json', dict(a=object()))
    with pytest.raises(RuntimeError), whole_file(tmp_path / 'r.json') as partial:
        partial.write_text('half')
        raise RuntimeError
    assert [path.read_text() for path in tmp_path.iterdir()] == ['before']


def test_what_the_file_system_refuses_is_named(tmp_path):
    (tmp_path / 'file').touch()
    (tmp_path / 'folder').mkdir()
    for path in ('file/r.json', 'folder'):
        with pytest.raises(OutputError, match=f'{path} cannot be written'):
            write_json(tmp_path / path, {})
    assert sorted(os.listdir(tmp_path)) == ['file', 'folder']


def test_paths_are_checked_without_creating_anything(tmp_path):
    (tmp_path / 'file').touch()
    (tmp_path / 'folder').mkdir()
    for path in (tmp_path / 'folder', tmp_path / 'file/r.json', tmp_path / 'file/below/r.json'):
        with pytest.raises(OutputError, match=f'--out {path}'):
            check_output_file(path, '--out')
    for path in (tmp_path / 'file', tmp_path / 'file/below'):
        with pytest.raises(OutputError, match=f'--report {path}'):
            check_output_folder(path, '--report')
    for path in (None, tmp_path / 'new/deep/r.json', tmp_path / 'file'):
        check_output_file(path, '--out')
    for path in (None, tmp_path / 'new/deep', tmp_path / 'folder', 'relative'):
        check_output_folder(path, '--report')
    assert sorted(os.listdir(tmp_path)) == ['file', 'folder']


def test_folders_without_permission_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(os, 'access', lambda path, mode: False)
    with pytest.raises(OutputError, match='--out .*r.json: nothing can be written'):
        check_output_file(tmp_path / 'r.json', '--out')


def test_a_full_disk_leaves_nothing_and_names_the_last_file(tmp_path):
    with pytest.raises(OutputError, match=r'm\.pt cannot be written \(No space left'):
        with whole_file(tmp_path / 'm.pt') as unproven, whole_file(unproven) as partial:
            partial.write_bytes(b'half')
            raise OSError(errno.ENOSPC, 'No space left')
    assert not os.listdir(tmp_path)


def test_checkpoints_appear_whole_or_not_at_all(tmp_path, monkeypatch):
    def full(self, obj, filepath):
        Path(filepath).write_bytes(obj[:2])
        raise OSError(errno.EFBIG, 'File too large')

    AtomicBackend().put(b'whole', tmp_path / 'a.pth')
    assert (tmp_path / 'a.pth').read_bytes() == b'whole'
    monkeypatch.setattr(LocalBackend, 'put', full)
    with pytest.raises(OutputError, match=r'a\.pth cannot be written'):
        AtomicBackend().put(b'other', tmp_path / 'a.pth')
    assert os.listdir(tmp_path) == ['a.pth'] and (tmp_path / 'a.pth').read_bytes() == b'whole'
