import multiprocessing
import os
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.dist import all_reduce
from mmengine.model import BaseDataPreprocessor, BaseModel
from mmengine.runner import Runner
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import nn
from torch.utils.data import Dataset

import mmseg_uncertainty.engine  # noqa: F401
from mmseg_uncertainty.models.fittable import Fittable
from mmseg_uncertainty.structures import FrozenOutputs

IMAGES = 7


class ToyImages(Dataset):
    metainfo = dict(classes=('a', 'b'))

    def __len__(self):
        return IMAGES

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(index)
        sample = SegDataSample(metainfo=dict(img_path=f'{index}.png'))
        sample.gt_sem_seg = PixelData(data=torch.randint(2, (1, 4, 5), generator=generator))
        return dict(inputs=torch.rand(2, 4, 5, generator=generator), data_samples=sample)


class Film(ToyImages):
    """The same images as frames of one sequence."""

    def get_data_info(self, index):
        return dict(img_path=f'{index}.png', sequence='film')


class Scenes(ToyImages):
    """The same images from three places."""

    def get_data_info(self, index):
        return dict(img_path=f'{index}.png', scene=f'place {index % 3}')


class Twice(ToyImages):
    """Every image under a name that another one has too."""

    def get_data_info(self, index):
        return dict(img_path=f'{index // 2}.png')


class MeanLogit(nn.Module, Fittable):
    """Mean in the first pass, variance around it in the second."""

    stages = 2

    def __init__(self):
        super().__init__()
        self.register_buffer('moments', torch.zeros(2, dtype=torch.float64))
        self.calls, self.seen = [], {}

    def start_stage(self, stage):
        self.calls.append(f'start {stage}')
        self.stage, self.sum, self.count = stage, torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.int64)

    def update(self, outputs, labels, metas):
        assert not outputs.logits.requires_grad and len(metas) == len(labels)
        values = outputs.logits.double()
        self.sum += (values if self.stage == 0 else (values - self.moments[0])**2).sum()
        self.count += values.numel()
        self.seen.update({meta['img_path']: meta['calibration_position'] for meta in metas})

    def merge_ranks(self):
        all_reduce(self.sum)
        all_reduce(self.count)

    def finish_stage(self, stage):
        self.calls.append(f'finish {stage}')
        self.moments[stage] = self.sum / self.count


class ToyModel(BaseModel):

    def __init__(self, heads=('calibrator', 'set_head'), grow=0):
        super().__init__(BaseDataPreprocessor())
        self.base = nn.Conv2d(2, 2, 1)
        self.grow = grow
        for name in heads:
            self.add_module(name, MeanLogit())

    def frozen_outputs(self, inputs, data_samples):
        logits = nn.functional.pad(self.base(torch.stack(list(inputs))), (0, self.grow))
        if hasattr(self, 'calibrator'):
            logits = logits + self.calibrator.moments[0].float()
        return FrozenOutputs(logits, logits, None)

    def forward(self, inputs, data_samples=None, mode='tensor'):
        return self.frozen_outputs(inputs, data_samples)


def runner_of(folder, model=None, sampler=None, batch_size=2, dataset=None, loop=None, **options):
    torch.manual_seed(0)
    sampler = sampler or dict(type='DefaultSampler', shuffle=False, round_up=False)
    return Runner(
        model or ToyModel(), str(folder),
        train_dataloader=dict(batch_size=batch_size, num_workers=0, dataset=dataset or ToyImages(), sampler=sampler,
                              collate_fn=dict(type='pseudo_collate')),
        train_cfg=dict(type='CalibrationLoop', **(loop or {})), optim_wrapper=dict(optimizer=dict(type='SGD', lr=0.0)),
        default_scope='mmseg',
        cfg=Config(dict(model_wrapper_cfg=dict(type='FrozenModelWrapper'))), experiment_name=f'{folder.name}{batch_size}', **options)


def test_nothing_fitted_in_part_is_saved(tmp_path):
    runner = runner_of(tmp_path, default_hooks=dict(checkpoint=dict(type='CheckpointHook', by_epoch=False, interval=1)))
    runner.train()
    assert [path.name for path in tmp_path.glob('*.pth')] == ['calibrated.pth']


@pytest.fixture(scope='module')
def fitted(tmp_path_factory):
    folder = tmp_path_factory.mktemp('fit')
    runner = runner_of(folder)
    before = {key: value.clone() for key, value in runner.model.base.state_dict().items()}
    runner.train()
    return runner, folder, before


def test_moments_are_those_of_all_images(fitted):
    runner, *_ = fitted
    plain = runner.model.base(torch.stack([ToyImages()[index]['inputs'] for index in range(IMAGES)])).double()
    assert runner.model.calibrator.moments[0] == pytest.approx(plain.mean().item(), rel=1e-5)
    assert runner.model.set_head.moments[0] == pytest.approx(2 * plain.mean().item(), rel=1e-5)
    assert runner.model.set_head.moments[1] == pytest.approx(plain.var(correction=0).item(), rel=1e-5)


def test_stages_run_in_order_and_calibrators_first(fitted):
    runner, *_ = fitted
    assert runner.model.set_head.calls == ['start 0', 'finish 0', 'start 1', 'finish 1']
    assert runner.train_loop.epoch == runner.train_loop.max_epochs == 4
    assert runner.train_loop.iter == runner.train_loop.max_iters == 16


def test_the_base_model_does_not_change(fitted):
    runner, _, before = fitted
    assert all(torch.equal(value, before[key]) for key, value in runner.model.base.state_dict().items())


def test_the_checkpoint_is_whole_and_loads_without_code(fitted):
    runner, folder, _ = fitted
    checkpoint = torch.load(folder / 'calibrated.pth', weights_only=True)
    assert checkpoint['state_dict'].keys() == runner.model.state_dict().keys()
    assert checkpoint['meta']['dataset_meta']['classes'] == ('a', 'b')
    assert not list(folder.glob('*.partial'))
    assert Path((folder / 'last_checkpoint').read_text()).is_file()


def test_batches_do_not_matter(fitted, tmp_path):
    runner, *_ = fitted
    other = runner_of(tmp_path, batch_size=5)
    other.train()
    torch.testing.assert_close(other.model.set_head.moments, runner.model.set_head.moments, rtol=1e-6, atol=0)


@pytest.mark.parametrize('batch_size', [1, 3])
def test_calibrators_may_have_images_of_their_own(tmp_path, batch_size):
    runner = runner_of(tmp_path, batch_size=batch_size, dataset=Film(), loop=dict(calibrator_share=0.4, block_length=2))
    runner.train()
    own, others = runner.model.calibrator.seen, runner.model.set_head.seen
    assert not own.keys() & others.keys() and len(own) + len(others) == IMAGES and 2 <= len(own) <= 4
    for seen in (own, others):
        assert all(0 <= position < 1 for position in seen.values())
        for first in range(0, IMAGES - 1, 2):
            assert (f'{first}.png' in seen) == (f'{first + 1}.png' in seen)
    with pytest.raises(ValueError, match='calibrator_share=1.0 must lie strictly'):
        runner_of(tmp_path, dataset=Film(), loop=dict(calibrator_share=1.0)).train()
    with pytest.raises(ValueError, match='ToyImages does not name its images'):
        runner_of(tmp_path, loop=dict(calibrator_share=0.5)).train()


@pytest.mark.parametrize('block_length', [None, 1])
def test_scenes_stay_together(tmp_path, block_length):
    runner = runner_of(tmp_path, dataset=Scenes(), loop=dict(calibrator_share=0.4, block_length=block_length))
    runner.train()
    places = [{int(name[:-4]) % 3 for name in module.seen} for module in (runner.model.calibrator, runner.model.set_head)]
    assert not places[0] & places[1] and places[0] | places[1] == {0, 1, 2}


def test_the_checkpoint_keeps_who_was_fitted_on_what(tmp_path):
    runner = runner_of(tmp_path, dataset=Film(), loop=dict(calibrator_share=0.4, block_length=2, seed=1))
    runner.train()
    plan = torch.load(tmp_path / 'calibrated.pth', weights_only=True)['meta']['calibration_plan']
    for name in ('calibrator', 'set_head'):
        assert plan['parts'][name] == sorted(getattr(runner.model, name).seen)
    assert (plan['seed'], plan['block_length'], plan['units'], plan['shared']) == (1, 2, 4, False)


def test_a_promise_and_a_calibrator_share_images_only_when_told(tmp_path, monkeypatch):
    monkeypatch.setattr(MeanLogit, 'promises', True)
    with pytest.raises(ValueError, match='calibrator and set_head would be fitted'):
        runner_of(tmp_path, dataset=Film()).train()
    assert not list(tmp_path.glob('*.pth'))
    runner = runner_of(tmp_path, dataset=Film(), loop=dict(calibrator_share='shared'), batch_size=3)
    runner.train()
    assert runner.model.calibrator.seen.keys() == runner.model.set_head.seen.keys()
    assert torch.load(tmp_path / 'calibrated.pth', weights_only=True)['meta']['calibration_plan']['shared']
    with pytest.raises(ValueError, match="calibrator_share='half' must lie strictly between 0 and 1, or be 'shared'"):
        runner_of(tmp_path, dataset=Film(), loop=dict(calibrator_share='half'), batch_size=4).train()


def test_an_image_that_comes_twice_is_refused(tmp_path):
    with pytest.raises(ValueError, match='Twice: calibration images come more than once: 0.png'):
        runner_of(tmp_path, dataset=Twice()).train()


def test_a_stage_is_streamed_again_as_long_as_a_module_asks(tmp_path, monkeypatch):
    def asks(self, stage):
        return stage == 1 and self.calls.count('finish 1') < 3

    monkeypatch.setattr(MeanLogit, 'needs_another_pass', asks)
    runner = runner_of(tmp_path)
    runner.train()
    assert runner.model.set_head.calls == ['start 0', 'finish 0'] + ['start 1', 'finish 1'] * 3
    assert runner.train_loop.epoch == runner.train_loop.max_epochs == 8
    assert runner.train_loop.iter == runner.train_loop.max_iters == 32


def test_samplers_that_repeat_images_are_refused(tmp_path):
    with pytest.raises(ValueError, match='InfiniteSampler over 7 images does not visit each image once'):
        runner_of(tmp_path, sampler=dict(type='InfiniteSampler')).train()


def test_a_model_without_anything_to_fit_is_refused(tmp_path):
    with pytest.raises(ValueError, match='no part of the model is fitted'):
        runner_of(tmp_path, ToyModel(heads=())).train()
    assert not list(tmp_path.glob('*.pth'))


def test_labels_of_another_size_are_named(tmp_path):
    with pytest.raises(ValueError, match=r'labels of 0\.png have \(4, 5\) pixels and its logits \(4, 6\)'):
        runner_of(tmp_path, ToyModel(grow=1)).train()


def fit_in_one_of_two_processes(rank, folder, port):
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE='2', MASTER_ADDR='127.0.0.1', MASTER_PORT=str(port))
    torch.set_num_threads(1)
    torch.distributed.init_process_group('gloo')
    runner_of(Path(folder), launcher='pytorch', env_cfg=dict(dist_cfg=dict(backend='gloo'))).train()
    torch.distributed.destroy_process_group()


def test_two_processes_give_the_result_of_one(fitted, tmp_path):
    runner, *_ = fitted
    context = multiprocessing.get_context('fork')
    port = 20000 + os.getpid() % 20000
    workers = [context.Process(target=fit_in_one_of_two_processes, args=(rank, tmp_path, port)) for rank in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        worker.kill()
    assert [worker.exitcode for worker in workers] == [0, 0]
    merged = torch.load(tmp_path / 'calibrated.pth', weights_only=True)['state_dict']
    torch.testing.assert_close(merged['set_head.moments'], runner.model.set_head.moments, rtol=1e-6, atol=0)


class Bare(ToyImages):
    """Images without labels, of another place."""

    def __len__(self):
        return 5

    def __getitem__(self, index):
        generator = torch.Generator().manual_seed(100 + index)
        sample = SegDataSample(metainfo=dict(img_path=f't{index}.png'))
        return dict(inputs=torch.rand(2, 4, 5, generator=generator), data_samples=sample)


class Follower(MeanLogit):
    """Reads target images once it is fitted."""

    reads_target = True

    def start_target(self):
        self.calls.append('start target')
        self.target = []

    def update_target(self, outputs):
        self.target.append(outputs.logits)

    def finish_target(self):
        self.calls.append('finish target')


def test_images_without_labels_come_last_and_once(tmp_path):
    model = ToyModel(heads=())
    model.set_head = Follower()
    loop = dict(target_dataloader=dict(batch_size=2, num_workers=0, dataset=Bare(), collate_fn=dict(type='pseudo_collate'),
                                       sampler=dict(type='DefaultSampler', shuffle=False, round_up=False)))
    runner_of(tmp_path, model, loop=loop).train()
    assert model.set_head.calls[-3:] == ['finish 1', 'start target', 'finish target']
    expected = model.base(torch.stack([Bare()[index]['inputs'] for index in range(5)]))
    torch.testing.assert_close(torch.cat(model.set_head.target), expected)


def test_what_follows_a_target_is_refused_without_one(tmp_path):
    model = ToyModel(heads=())
    model.set_head = Follower()
    with pytest.raises(ValueError, match='set_head follows images from where the model will be used'):
        runner_of(tmp_path, model).train()
    assert not model.set_head.calls
