"""A run that was killed ends with the weights of one that was not."""
import copy

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import MODELS

from mmseg_uncertainty.apis import add_hooks
from mmseg_uncertainty.engine.checkpoints import load_checkpoints_safely, read_checkpoint
from tests.tiny import TINY_TOY_ROADS, tiny_base, tiny_posthoc


class KillBefore(Hook):
    """Stop the run at an iteration, as a signal would."""

    def __init__(self, iteration):
        self.iteration = iteration

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        if runner.iter == self.iteration:
            raise KeyboardInterrupt


def run(folder, workers, kill_at=None, resume=False):
    config = Config(copy.deepcopy(TINY_TOY_ROADS))
    config.model = tiny_posthoc(dict(fedc=dict(type='FlowEneDetHead', conditional=True, condition_channels=4)), classes=8)
    config.train_dataloader.update(num_workers=workers, persistent_workers=bool(workers))
    return trained(config, folder, kill_at, resume)[1]


def trained(config, folder, kill_at=None, resume=False):
    """Runner and last checkpoint of six iterations from a base with random weights, both ``None`` if the run was killed."""
    base = folder.parent / 'base.pth'
    if not base.is_file():
        torch.manual_seed(0)
        torch.save(dict(state_dict=MODELS.build(tiny_base(num_classes=8)).state_dict()), base)
    config.update(work_dir=str(folder), resume=resume, load_from=None if resume else str(base),
                  experiment_name=f'{folder.name}{resume}')
    add_hooks(config, need_heads=False)
    runner = Runner.from_cfg(config)
    load_checkpoints_safely()
    if kill_at is not None:
        runner.register_hook(KillBefore(kill_at))
    try:
        runner.train()
    except KeyboardInterrupt:
        return None, None
    return runner, read_checkpoint(folder / 'iter_6.pth')


@pytest.mark.parametrize('workers', [0, 1])
def test_a_killed_run_resumes_to_the_same_weights(tmp_path, workers):
    unbroken = run(tmp_path / 'unbroken', workers)
    assert run(tmp_path / 'killed', workers, kill_at=5) is None
    assert not list((tmp_path / 'killed').glob('*.partial'))
    resumed = run(tmp_path / 'killed', workers, resume=True)
    assert unbroken['state_dict'].keys() == resumed['state_dict'].keys()
    for key, value in unbroken['state_dict'].items():
        assert torch.equal(value, resumed['state_dict'][key]), key
    assert unbroken['meta']['fitted_on'] == resumed['meta']['fitted_on']
