"""Reading checkpoints safely and telling what they are."""
import json

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from mmengine.runner.checkpoint import CheckpointLoader

from mmseg_uncertainty.engine.checkpoints import (CheckpointError, base_fingerprint, check_fit, load_checkpoints_safely,
                                                  read_checkpoint, state_dict_of)
from mmseg_uncertainty.engine.weight_files import sha256, weight_files


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


def write_tensors(path, state):
    if path.suffix == '.safetensors':
        pytest.importorskip('safetensors').torch.save_file(state, path)
    else:
        torch.save(state, path)


@pytest.mark.parametrize('name', ['model.safetensors', 'pytorch_model.bin'])
@pytest.mark.parametrize('parts', [1, 2])
def test_files_and_folders_of_transformers_are_read(tmp_path, name, parts):
    pytest.importorskip('safetensors.torch', reason='pip install "mmseg_uncertainty[transformers]"')
    state = {key: torch.rand(3) for key in ('a.weight', 'b.weight')}
    if parts == 1:
        write_tensors(tmp_path / name, state)
        found = read_checkpoint(tmp_path / name)
        assert all(torch.equal(found[key], state[key]) for key in state)
    else:
        stem, _, suffix = name.partition('.')
        files = {key: f'{stem}-{index}.{suffix}' for index, key in enumerate(state)}
        for key, file in files.items():
            write_tensors(tmp_path / file, {key: state[key]})
        (tmp_path / f'{name}.index.json').write_text(json.dumps(dict(weight_map=files)))
    found = state_dict_of(read_checkpoint(tmp_path))
    assert set(found) == set(state) and all(torch.equal(found[key], state[key]) for key in state)
    before = sha256(tmp_path)
    for file in weight_files(tmp_path):
        write_tensors(file, {key: value + 1 for key, value in read_checkpoint(file).items()})
    assert sha256(tmp_path) != before


def test_code_in_a_folder_is_not_executed(tmp_path):
    torch.save(dict(a=Escape()), tmp_path / 'pytorch_model.bin')
    with pytest.raises(CheckpointError, match='pytorch_model.bin .*not executed'):
        read_checkpoint(tmp_path)


def test_a_damaged_file_of_safetensors_and_an_empty_folder_are_named(tmp_path):
    pytest.importorskip('safetensors', reason='pip install "mmseg_uncertainty[transformers]"')
    with pytest.raises(CheckpointError, match='folder without weights; expected model.safetensors'):
        read_checkpoint(tmp_path)
    (tmp_path / 'model.safetensors').write_bytes(b'12345678901234567890')
    with pytest.raises(CheckpointError, match='model.safetensors is not a file of safetensors'):
        read_checkpoint(tmp_path)


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


@pytest.mark.parametrize('state, message', [
    ({1: torch.zeros(2)}, r'a tensor whose key is no text \(1\)'),
    (dict(a=torch.zeros(2, dtype=torch.complex64)), 'complex numbers')])
def test_a_state_of_no_model_is_named(tmp_path, state, message):
    torch.save(dict(state_dict=state), tmp_path / 'a.pth')
    with pytest.raises(CheckpointError, match=f'a.pth holds {message}'):
        read_checkpoint(tmp_path / 'a.pth')


@pytest.mark.parametrize('meta', [dict(dataset_meta='x'), dict(base_weights=3), dict(fitted_on=[1])])
def test_what_a_checkpoint_says_in_another_form_is_left_out(tmp_path, meta):
    torch.save(dict(state_dict={}, meta=dict(meta, epoch=3)), tmp_path / 'a.pth')
    assert read_checkpoint(tmp_path / 'a.pth')['meta'] == dict(epoch=3)


@pytest.mark.parametrize('value', [float('nan'), float('inf')])
@pytest.mark.parametrize('need_heads', [True, False])
def test_weights_that_are_no_numbers_are_refused_before_anything_is_fitted_on_them(value, need_heads):
    model = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 1), torch.nn.Conv2d(2, 2, 1))
    state = model.state_dict()
    check_fit(model, state, 'a.pth', need_heads)
    state['1.weight'] = state['1.weight'].clone()
    state['1.weight'][0, 1] = value
    with pytest.raises(CheckpointError, match='a.pth holds weights that are no finite numbers, in 1 of 4 .* first is 1.weight'):
        check_fit(model, state, 'a.pth', need_heads)
