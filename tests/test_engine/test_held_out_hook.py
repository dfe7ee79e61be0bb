"""Heads end with the weights of their best iteration on images they did not learn from."""
import copy
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from tests.test_engine.test_resume import trained
from tests.tiny import TINY_TOY_ROADS, tiny_posthoc

FLOW = dict(type='FlowEneDetHead', flow=dict(kernel_size=1, hidden_channels=8, blocks=2))
HEADS = dict(fedu=FLOW, fedc={**FLOW, 'conditional': True, 'condition_channels': 4}, msp=dict(type='MSPHead'))


def run(folder: Path, rate=1e-2, interval=2, kill_at=None, resume=False, hook=None):
    config = Config(copy.deepcopy(TINY_TOY_ROADS))
    config.model = tiny_posthoc(copy.deepcopy(HEADS), classes=8)
    config.optim_wrapper.optimizer.lr = rate
    held_out = copy.deepcopy(config.train_dataloader)
    held_out.update(batch_size=2, sampler=dict(type='NumberedInfiniteSampler', shuffle=False))
    held_out.dataset.update(split='val', length=3)
    config.custom_hooks = [dict(type='HeldOutHook', dataloader=held_out, interval=interval, **(hook or {}))]
    return trained(config, folder, kill_at, resume)


def held_out_loss(runner, name):
    """Loss of the head as it is, by a second look."""
    hook = next(hook for hook in runner.hooks if type(hook).__name__ == 'HeldOutHook')
    runner.model.eval()
    losses = [float(losses[f'{name}.loss_posterior']) for losses in hook._losses(runner, runner.model)]
    assert len(losses) == 3
    return sum(losses) / len(losses)


@pytest.mark.parametrize('rate', [1e-2, 3.])
def test_every_head_ends_with_its_best_weights(tmp_path, rate):
    runner, checkpoint = run(tmp_path / 'run', rate)
    losses = checkpoint['meta']['held_out']
    assert losses.keys() == {'fedu', 'fedc'} and list(losses['fedu']) == [1, 2, 4, 6]
    for name in losses:
        assert held_out_loss(runner, name) == pytest.approx(min(losses[name].values()), rel=1e-5)
        for key, value in runner.model.uncertainty_heads[name].state_dict().items():
            assert torch.equal(value, checkpoint['state_dict'][f'uncertainty_heads.{name}.{key}']), key
    if rate > 1:
        assert min(losses['fedu'], key=losses['fedu'].get) < 6
    assert 'held_out_states' not in checkpoint


def test_looking_changes_nothing_that_is_learned(tmp_path):
    often, seldom = (run(tmp_path / str(interval), interval=interval)[1] for interval in (1, 6))
    last = [loss[6] for checkpoint in (often, seldom) for loss in checkpoint['meta']['held_out'].values()]
    assert last[:2] == last[2:]


def test_a_run_that_goes_on_finds_the_same(tmp_path):
    _, unbroken = run(tmp_path / 'unbroken', 3.)
    assert run(tmp_path / 'killed', 3., kill_at=5) == (None, None)
    _, resumed = run(tmp_path / 'killed', 3., resume=True)
    assert unbroken['meta']['held_out'] == resumed['meta']['held_out']
    for key, value in unbroken['state_dict'].items():
        assert torch.equal(value, resumed['state_dict'][key]), key


def test_wrong_options_are_named(tmp_path):
    with pytest.raises(ValueError, match='interval=0'):
        run(tmp_path / 'run', interval=0)


def test_a_model_without_learning_heads_is_refused(tmp_path, monkeypatch):
    monkeypatch.setitem(globals(), 'HEADS', dict(msp=dict(type='MSPHead')))
    with pytest.raises(ValueError, match='no head of the model learns'):
        run(tmp_path / 'run')
