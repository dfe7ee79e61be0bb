"""Reading checkpoints safely and telling what they are."""
import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner.checkpoint import CheckpointLoader

from mmseg_uncertainty.engine.checkpoints import (CheckpointError, base_fingerprint, load_checkpoints_safely,
                                                  read_checkpoint, state_dict_of)


@pytest.mark.parametrize('value', [np.float32(0.5), np.float64(0.5), np.int64(3), np.bool_(True), np.arange(3)])
def test_what_mmengine_writes_is_read(tmp_path, value):
    buffer = HistoryBuffer([1., 2.], [1, 1])
    torch.save(dict(state_dict={}, message_hub=dict(log_scalars=dict(loss=buffer), runtime_info=dict(best=value))),
               tmp_path / 'a.pth')
    hub = read_checkpoint(tmp_path / 'a.pth')['message_hub']
    assert np.array_equal(hub['runtime_info']['best'], value)
    assert hub['log_scalars']['loss'].mean() == 1.5


class Escape:
    def __reduce__(self):
        return getattr, (str, 'join')


@pytest.mark.parametrize('content', [Escape(), dict(meta=Escape())])
def test_getattr_reaches_only_log_buffers(tmp_path, content):
    torch.save(content, tmp_path / 'a.pth')
    with pytest.raises(CheckpointError, match='not executed'):
        read_checkpoint(tmp_path / 'a.pth')


@pytest.mark.parametrize('content', [[1, 2], torch.zeros(2)])
def test_a_file_without_a_dict_is_named(tmp_path, content):
    torch.save(content, tmp_path / 'a.pth')
    with pytest.raises(CheckpointError, match='expected a dict'):
        read_checkpoint(tmp_path / 'a.pth')


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(CheckpointError, match='b.pth does not exist'):
        read_checkpoint(tmp_path / 'b.pth')


def test_a_cut_off_file_is_named(tmp_path):
    torch.save(dict(a=torch.zeros(1000)), tmp_path / 'a.pth')
    content = (tmp_path / 'a.pth').read_bytes()
    (tmp_path / 'a.pth').write_bytes(content[:len(content) // 2])
    with pytest.raises(CheckpointError, match='a.pth'):
        read_checkpoint(tmp_path / 'a.pth')


def test_mmengine_reads_through_the_same_door(tmp_path, monkeypatch):
    monkeypatch.setattr(CheckpointLoader, '_schemes', dict(CheckpointLoader._schemes))
    torch.save(dict(meta=Escape()), tmp_path / 'a.pth')
    load_checkpoints_safely()
    with pytest.raises(CheckpointError):
        CheckpointLoader.load_checkpoint(str(tmp_path / 'a.pth'))


def test_fingerprint_sees_the_base_and_nothing_else():
    state = {'backbone.weight': torch.rand(3), 'backbone.num_batches_tracked': torch.tensor(1)}
    same = {**state, 'uncertainty_heads.a.weight': torch.rand(2), 'backbone.num_batches_tracked': torch.tensor(9)}
    assert base_fingerprint(state) == base_fingerprint(dict(reversed(same.items())))
    assert base_fingerprint(state) != base_fingerprint({'backbone.weight': state['backbone.weight'] + 1})


def test_half_precision_has_the_fingerprint_of_what_is_loaded_from_it():
    half = {'backbone.weight': torch.rand(3).half()}
    assert base_fingerprint(half) == base_fingerprint({'backbone.weight': half['backbone.weight'].float()})


def test_the_prefix_of_parallel_models_is_dropped():
    assert list(state_dict_of(dict(state_dict={'module.a': torch.zeros(1), 'epoch': 3}))) == ['a']


def test_what_is_shipped_beside_its_base_is_read_with_it(tmp_path):
    torch.save(dict(state_dict={'backbone.w': torch.ones(2), 'backbone.b': torch.zeros(1)}), tmp_path / 'base.pth')
    torch.save(dict(state_dict={'set_head.t': torch.ones(1)}, meta=dict(base_weights='../../base.pth')), tmp_path / 'fitted.pth')
    checkpoint = read_checkpoint(tmp_path / 'fitted.pth')
    assert set(checkpoint['state_dict']) == {'backbone.w', 'backbone.b', 'set_head.t'}
    (tmp_path / 'base.pth').unlink()
    with pytest.raises(CheckpointError, match='base.pth does not exist'):
        read_checkpoint(tmp_path / 'fitted.pth')


@pytest.mark.parametrize('meta', [None, 'epoch 3', [1]])
def test_a_checkpoint_that_says_nothing_of_itself_is_read(tmp_path, meta):
    torch.save(dict(state_dict={'a': torch.zeros(1)}, meta=meta), tmp_path / 'a.pth')
    checkpoint = read_checkpoint(tmp_path / 'a.pth')
    assert checkpoint['meta'] == {} and list(state_dict_of(checkpoint)) == ['a']


def test_a_state_that_is_no_dict_is_named(tmp_path):
    torch.save(dict(state_dict=None), tmp_path / 'a.pth')
    with pytest.raises(CheckpointError, match='a.pth holds a NoneType.*state_dict'):
        read_checkpoint(tmp_path / 'a.pth')
