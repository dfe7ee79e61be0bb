"""Images of any kind and size come back at their own size, and what is written agrees with what is returned."""
import json

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from PIL import Image

from mmseg_uncertainty.apis import UncertaintyInferencer
from mmseg_uncertainty.datasets import DatasetError
from mmseg_uncertainty.engine.checkpoints import CheckpointError
from mmseg_uncertainty.runtime.prediction_writer import SaveOptions
from mmseg_uncertainty.runtime.result_kinds import KINDS
from mmseg_uncertainty.runtime.map_files import load_maps
from tests.tiny import tiny_base, tiny_posthoc

HEADS = dict(msp=dict(type='MSPHead'), energy=dict(type='EnergyHead'))
PIPELINE = [dict(type='LoadImageFromFile'), dict(type='Resize', scale=(96, 64), keep_ratio=True),
            dict(type='LoadAnnotations'), dict(type='PackSegInputs')]
SET_HEAD = dict(type='ConformalRiskControlHead', num_classes=5, keep_curves=False)


def config_of(model, pipeline=PIPELINE):
    return Config(dict(model=model, test_dataloader=dict(dataset=dict(pipeline=pipeline))))


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    init_default_scope('mmseg')
    torch.manual_seed(0)
    state = MODELS.build(Config(tiny_posthoc({}, set_head=SET_HEAD))).state_dict()
    state['set_head.thresholds'].fill_(0.18)
    meta = dict(dataset_meta=dict(classes=list('abcde'), palette=[[50 * index] * 3 for index in range(5)]))
    path = tmp_path_factory.mktemp('weights') / 'tiny.pth'
    torch.save(dict(state_dict=state, meta=meta), path)
    return path


@pytest.fixture
def inferencer(weights):
    return UncertaintyInferencer(config_of(tiny_posthoc(HEADS, set_head=SET_HEAD)), weights, 'cpu', show_progress=False)


def noise(height, width):
    return np.random.default_rng(height).integers(0, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize('size', [(37, 53), (1, 1), (1, 40), (70, 100)])
@pytest.mark.parametrize('pipeline', [PIPELINE, [PIPELINE[0], PIPELINE[-1]]], ids=['resized', 'as it is'])
def test_results_have_the_size_of_the_image(size, pipeline, weights):
    inferencer = UncertaintyInferencer(
        config_of(tiny_posthoc(HEADS, set_head=SET_HEAD), pipeline), weights, 'cpu', show_progress=False)
    sample, = inferencer(noise(*size), return_datasamples=True)['predictions']
    assert sample.pred_sem_seg.data.shape == sample.uncertainty.get('msp').shape == (1, *size)
    assert sample.prediction_set.membership.shape == (5, *size)


def test_a_line_too_thin_to_resize_is_named(inferencer):
    with pytest.raises(DatasetError, match='array_000000 of 5000×1 pixels'):
        inferencer(noise(1, 5000))


def test_files_agree_with_the_sample(inferencer, tmp_path):
    Image.fromarray(noise(37, 53)).save(tmp_path / 'street.png')
    save = SaveOptions(KINDS, 'float32')
    sample, = inferencer(tmp_path / 'street.png', return_datasamples=True, out_dir=tmp_path / 'out', save=save)['predictions']
    summary = json.loads((tmp_path / 'out/summaries/street.json').read_text())
    labels = np.asarray(Image.open(tmp_path / 'out' / summary['files']['labels']))
    np.testing.assert_array_equal(labels, sample.pred_sem_seg.data[0])
    maps = load_maps(tmp_path / 'out' / summary['files']['uncertainty'])
    np.testing.assert_array_equal(maps['energy'], sample.uncertainty.energy[0])
    np.testing.assert_array_equal(maps['set_size'], sample.prediction_set.get('size')[0])
    assert sum(area['pixels'] for area in summary['classes'].values()) == 37 * 53
    msp = sample.uncertainty.msp.numpy()
    assert summary['uncertainty']['msp']['flagged_share'] == pytest.approx((msp >= 0.5).mean())
    assert summary['uncertainty']['msp']['mean'] == pytest.approx(msp.mean(), abs=1e-6)
    assert summary['uncertainty']['energy']['flagged_share'] is None
    assert all((tmp_path / 'out' / file).stat().st_size for file in summary['files'].values())


def test_batches_change_nothing(inferencer):
    images = [noise(64, 96), 255 - noise(64, 96), noise(37, 53)]
    alone, together = (inferencer(images, batch_size=size)['predictions'] for size in (1, 3))
    for one, other in zip(alone, together, strict=True):
        assert one['classes'] == other['classes']
        assert one['uncertainty']['energy']['mean'] == pytest.approx(other['uncertainty']['energy']['mean'], abs=1e-5)


def test_broken_files_stop_or_are_reported(inferencer, tmp_path):
    Image.fromarray(noise(37, 53)).save(tmp_path / 'good.png')
    (tmp_path / 'note.png').write_text('no picture')
    with pytest.raises(DatasetError, match='note.png'):
        inferencer(tmp_path)
    results = inferencer(tmp_path, skip_broken=True, return_vis=True)
    assert len(results['predictions']) == 1 and 'note.png' in results['skipped'][0]
    assert results['visualization'][0].ndim == 3


def test_thresholds_flag(weights):
    config = config_of(tiny_posthoc(HEADS, set_head=SET_HEAD))
    inferencer = UncertaintyInferencer(config, weights, 'cpu', dict(energy=-1e9), show_progress=False)
    summary, = inferencer(noise(20, 20))['predictions']
    assert summary['uncertainty']['energy']['flagged_share'] == 1
    with pytest.raises(ValueError, match='entropy'):
        UncertaintyInferencer(config, weights, 'cpu', dict(entropy=1.))


def test_a_plain_segmentor_gets_heads(weights):
    inferencer = UncertaintyInferencer(config_of(tiny_base()), weights, 'cpu', show_progress=False)
    summary, = inferencer(noise(20, 30))['predictions']
    assert {'msp', 'entropy'} <= set(summary['uncertainty'])
    assert set(summary['classes']) <= set('abcde')


def test_a_checkpoint_of_another_model_is_refused(weights):
    with pytest.raises(CheckpointError, match='does not fit'):
        UncertaintyInferencer(config_of(tiny_posthoc(HEADS, classes=7)), weights, 'cpu')


def test_models_go_by_name_with_weights_of_their_own():
    inferencer = UncertaintyInferencer('segformer_b0_toy_roads', device='cpu', show_progress=False)
    assert 'road' in inferencer.classes and inferencer.model.provenance['checkpoint'] == 'segformer_b0_toy_roads.pth'
    with pytest.raises(ValueError, match='Did you mean segformer_b0_toy_roads'):
        UncertaintyInferencer('segformer_b0_toyroads')
    with pytest.raises(CheckpointError, match='needs a checkpoint'):
        UncertaintyInferencer('local_configs/segformer/segformer_b0_camvid_BASE.py')


def test_videos_are_predicted_frame_by_frame(inferencer, tmp_path):
    writer = cv2.VideoWriter(str(tmp_path / 'drive.avi'), cv2.VideoWriter_fourcc(*'MJPG'), 5, (96, 64))
    for brightness in range(0, 250, 50):
        writer.write(np.full((64, 96, 3), brightness, np.uint8))
    writer.release()
    results = inferencer(tmp_path / 'drive.avi', every=2, out_dir=tmp_path / 'out')
    assert len(results['predictions']) == 3
    summaries = sorted(file.name for file in (tmp_path / 'out/summaries/drive').iterdir())
    assert summaries == [f'frame_{index:06d}.json' for index in (0, 2, 4)]
    assert (tmp_path / 'out/figures/drive.mp4').is_file() and not (tmp_path / 'out/.frames').exists()
    (tmp_path / 'cut.mp4').write_bytes(b'no video')
    with pytest.raises(DatasetError, match='cut.mp4 holds no frame'):
        inferencer(tmp_path / 'cut.mp4')


def test_huge_images_come_back_whole(weights, tmp_path):
    pipeline = [PIPELINE[0], PIPELINE[-1]]
    inferencer = UncertaintyInferencer(config_of(tiny_posthoc(HEADS, set_head=SET_HEAD), pipeline), weights, 'cpu',
                                       show_progress=False, max_pixels=300 * 300)
    sample, = inferencer(noise(500, 700), return_datasamples=True, out_dir=tmp_path)['predictions']
    assert sample.pred_sem_seg.shape == (500, 700)
    assert np.asarray(Image.open(tmp_path / 'labels/array_000000.png')).shape == (500, 700)


@pytest.mark.parametrize('mode', ['L', 'RGBA', 'portrait'])
def test_other_kinds_of_photos_are_predicted(inferencer, mode, tmp_path):
    photo, options = Image.fromarray(noise(37, 53)), {}
    if mode == 'portrait':
        # A camera held upright stores turned pixels, and says so.
        exif = Image.Exif()
        exif[0x0112] = 6
        options['exif'] = exif
    (photo.convert(mode) if mode != 'portrait' else photo).save(tmp_path / 'photo.png', **options)
    summary, = inferencer(tmp_path / 'photo.png', out_dir=tmp_path / 'out')['predictions']
    assert (summary['height'], summary['width']) == ((53, 37) if mode == 'portrait' else (37, 53))
    width, height = Image.open(tmp_path / 'out/figures/photo.jpg').size
    assert width >= 700 and height >= 700
