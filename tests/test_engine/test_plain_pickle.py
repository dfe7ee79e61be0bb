"""Files from either side of NumPy 2 load, by either way of torch, and nothing in them runs."""
import zipfile
from pathlib import Path
from pickle import UnpicklingError

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer

from mmseg_uncertainty.engine import plain_pickle
from mmseg_uncertainty.engine.checkpoints import CheckpointError, read_checkpoint
from mmseg_uncertainty.engine.plain_pickle import load_plain

OWN_WAY = plain_pickle.NAMES_ARE_GIVEN


@pytest.fixture(params=['names are given', 'restricted unpickler'], autouse=True)
def way(request, monkeypatch):
    """torch from 2.6 on is told names; earlier ones get an unpickler that knows them."""
    if request.param == 'names are given' and not OWN_WAY:
        pytest.skip(f'torch {torch.__version__} cannot be told names')
    monkeypatch.setattr(plain_pickle, 'NAMES_ARE_GIVEN', request.param == 'names are given')


def rename_core(source, target, old, new):
    with zipfile.ZipFile(source) as before, zipfile.ZipFile(target, 'w', zipfile.ZIP_STORED) as after:
        for entry in before.infolist():
            content = before.read(entry)
            after.writestr(entry.filename, content.replace(old, new) if entry.filename.endswith('data.pkl') else content)


@pytest.mark.parametrize('core', [b'numpy.core.multiarray', b'numpy._core.multiarray'])
def test_log_buffers_of_both_numpy_load(tmp_path, core):
    buffer = HistoryBuffer([0.5, 0.25], [1, 1])
    hub = dict(loss=buffer, best=np.float64(0.1), flags=np.array([True, False]))
    torch.save(dict(message_hub=hub, weight=torch.arange(3.)), tmp_path / 'own.pth')
    own = b'numpy._core.multiarray' if np.__version__ >= '2' else b'numpy.core.multiarray'
    rename_core(tmp_path / 'own.pth', tmp_path / 'other.pth', own, core)
    hub = load_plain(tmp_path / 'other.pth')['message_hub']
    assert hub['loss'].mean() == 0.375 and hub['best'] == 0.1 and hub['flags'].tolist() == [True, False]


def test_optimizers_and_shared_storages_load(tmp_path):
    weight = torch.nn.Parameter(torch.rand(4, 3))
    optimizer = torch.optim.AdamW([weight])
    weight.sum().backward()
    optimizer.step()
    torch.save(dict(state_dict={'a': weight, 'b': weight.data[1:]}, optimizer=optimizer.state_dict()), tmp_path / 'a.pth')
    found = load_plain(tmp_path / 'a.pth', 'cpu')
    assert torch.equal(found['state_dict']['b'], weight[1:]) and torch.equal(
        found['optimizer']['state'][0]['exp_avg'], optimizer.state_dict()['state'][0]['exp_avg'])


def test_the_format_before_zip_files_loads(tmp_path):
    torch.save(dict(a=torch.arange(3)), tmp_path / 'a.pth', _use_new_zipfile_serialization=False)
    assert load_plain(tmp_path / 'a.pth')['a'].tolist() == [0, 1, 2]


class Call:
    def __init__(self, function, *arguments):
        self.parts = function, arguments

    def __reduce__(self):
        return self.parts


@pytest.mark.parametrize('zipped', [True, False])
@pytest.mark.parametrize('function, arguments', [
    (open, ('sprung', 'w')), (eval, ("open('sprung', 'w')", )), (getattr, (str, 'join')),
    (getattr, (HistoryBuffer, '__init__')),
    (np.load, ('sprung', ))])
def test_nothing_is_called(tmp_path, monkeypatch, function, arguments, zipped):
    monkeypatch.chdir(tmp_path)
    torch.save(dict(a=Call(function, *arguments)), tmp_path / 'a.pth', _use_new_zipfile_serialization=zipped)
    with pytest.raises(CheckpointError, match='a.pth.*not executed'):
        read_checkpoint(tmp_path / 'a.pth')
    assert not (tmp_path / 'sprung').exists()


def test_bytes_are_read_and_other_encodings_are_not(tmp_path):
    torch.save(dict(a=bytes(range(256))), tmp_path / 'a.pth')
    assert load_plain(tmp_path / 'a.pth')['a'] == bytes(range(256))
    with pytest.raises(UnpicklingError, match='rot13'):
        plain_pickle._latin1('a', 'rot13')


def test_a_file_that_mmengine_wrote_under_numpy_1_loads():
    """mmengine 0.10.7 wrote it with NumPy 1.26.4: log buffers, an optimizer, schedulers and the best result."""
    found = read_checkpoint(Path(__file__).parent / 'mmengine_numpy1.pth')
    hub = found['message_hub']
    assert found['state_dict']['layer.weight'].shape == (2, 3) and found['meta']['iter'] == 4
    assert hub['log_scalars']['train/loss'].current() > 0 and hub['runtime_info']['best_score'] == 0.5
    assert found['optimizer']['param_groups'][0]['lr'] > 0 and len(found['param_schedulers']) == 1
