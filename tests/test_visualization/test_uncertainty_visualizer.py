"""The picture of a test image reaches the back ends of the run, at every interval."""
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.runner import Runner
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from mmseg_uncertainty.models.decode_heads import EntropyHead, FlowEneDetHead, MSPHead
from mmseg_uncertainty.visualization import UncertaintyVisualizer
from mmseg_uncertainty.runtime.overlays import overlay_scores
from tests.tiny import tiny_posthoc

CLASSES = dict(classes=['road', 'sky'], palette=[[90, 0, 90], [0, 90, 200]])


def sample_of(height, width, with_set=False):
    generator = torch.Generator().manual_seed(0)
    data = dict(pred_sem_seg=PixelData(data=torch.randint(0, 2, (1, height, width), generator=generator)),
                gt_sem_seg=PixelData(data=torch.randint(0, 2, (1, height, width), generator=generator)),
                uncertainty=PixelData(msp=torch.rand(1, height, width, generator=generator)))
    if with_set:
        membership = torch.rand(2, height, width, generator=generator) > 0.5
        data['prediction_set'] = PixelData(membership=membership, size=membership.sum(0, keepdim=True))
    sample = SegDataSample()
    sample.set_data(data)
    return sample


@pytest.mark.parametrize('size', [(20, 30), (1, 1), (1, 400), (400, 1)])
def test_pictures_of_any_shape_are_written(size, tmp_path):
    visualizer = UncertaintyVisualizer(name=f'shape {size}', **CLASSES)
    visualizer.dataset_meta = CLASSES
    image = np.zeros((*size, 3), np.uint8)
    visualizer.add_datasample('street', image, sample_of(*size, with_set=True), out_file=tmp_path / 'street.png')
    assert (tmp_path / 'street.png').read_bytes().startswith(b'\x89PNG')


def test_sets_and_mistakes_have_panels_of_their_own():
    visualizer = UncertaintyVisualizer(name='panels', columns=2)
    visualizer.dataset_meta = CLASSES
    image = np.zeros((20, 30, 3), np.uint8)
    plain, full = (visualizer.draw(image, sample_of(20, 30, with_set), draw_gt=with_set) for with_set in (False, True))
    assert full.shape[0] > plain.shape[0] and full.dtype == np.uint8


def test_scales_bound_their_scores():
    logits = 5 * torch.randn(2, 7, 9, 9, generator=torch.Generator().manual_seed(0))
    for head in (MSPHead(), EntropyHead()):
        low, high = head.scale(7).range
        scores = head(logits)
        assert low <= scores.min() and scores.max() <= high + 1e-6
        uniform = head(torch.zeros(1, 7, 1, 1))
        assert uniform.item() == pytest.approx(high, rel=1e-6)
    assert FlowEneDetHead(7).scale(7).threshold == 0
    assert FlowEneDetHead(7).scale(7).range is None


def test_overlays_brighten_with_the_score():
    image = np.full((4, 5, 3), 100, np.uint8)
    scores = np.linspace(0, 1, 20).reshape(4, 5)
    brightness = overlay_scores(image, scores, (0, 1)).sum(axis=-1).ravel()
    assert (np.diff(brightness.astype(int)) > 0).all()
    assert (overlay_scores(image, np.ones((4, 5))) == overlay_scores(image, np.ones((4, 5)))[0, 0]).all()


def run_test(tmp_path, name, visualizer, backend=None, **hook):
    loader = dict(
        batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
        dataset=dict(type='ToyRoadsDataset', split='test', length=3, size=(64, 96), test_mode=True,
                     pipeline=[dict(type='RenderToyRoads'), dict(type='PackSegInputs')]))
    Runner.from_cfg(Config(dict(
        default_scope='mmseg', model=tiny_posthoc(dict(msp=dict(type='MSPHead')), classes=8),
        work_dir=str(tmp_path / name), experiment_name=name, test_dataloader=loader,
        test_evaluator=dict(type='IoUMetric'), test_cfg=dict(type='TestLoop'),
        visualizer=dict(type=visualizer, name=name, vis_backends=[backend or dict(type='LocalVisBackend')]),
        custom_hooks=[dict(type='UncertaintyVisualizationHook', **hook)]))).test()


def test_the_hook_draws_every_second_image(tmp_path):
    run_test(tmp_path, 'hook', 'UncertaintyVisualizer', interval=2)
    assert len(list(tmp_path.rglob('vis_image/*.png'))) == 2


def test_pictures_reach_tensorboard(tmp_path):
    pytest.importorskip('tensorboard', reason='tensorboard is not installed; pip install -r requirements-extras.txt')
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    run_test(tmp_path, 'tensorboard', 'UncertaintyVisualizer', dict(type='TensorboardVisBackend'), interval=2)
    folder = next(tmp_path.rglob('events.out.tfevents*')).parent
    events = EventAccumulator(str(folder), size_guidance=dict(images=0)).Reload()
    tags = events.Tags()['images']
    assert len(tags) == 2 and events.Images(tags[0])[0].encoded_image_string.startswith(b'\x89PNG')


def test_pictures_reach_wandb(tmp_path, monkeypatch):
    wandb = pytest.importorskip('wandb', reason='wandb is not installed; pip install -r requirements-extras.txt')
    monkeypatch.setenv('WANDB_MODE', 'offline')
    monkeypatch.setenv('WANDB_SILENT', 'true')
    backend = dict(type='WandbVisBackend', init_kwargs=dict(project='test', mode='offline'))
    run_test(tmp_path, 'wandb', 'UncertaintyVisualizer', backend, interval=2)
    wandb.finish()
    assert len(list(tmp_path.rglob('media/images/*.png'))) == 2


def test_the_hook_names_a_visualizer_that_cannot_draw(tmp_path):
    with pytest.raises(TypeError, match="type='UncertaintyVisualizer'|SegLocalVisualizer"):
        run_test(tmp_path, 'wrong', 'SegLocalVisualizer')
    with pytest.raises(ValueError, match='interval=0'):
        run_test(tmp_path, 'interval', 'UncertaintyVisualizer', interval=0)
