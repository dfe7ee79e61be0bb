"""Tiles give what one pass gives, wherever the network does not see the cut."""
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch.nn import functional as F

from mmseg_uncertainty.apis import tiled_prediction
from mmseg_uncertainty.apis.tiled_prediction import TiledPrediction, resample, source_window
from mmseg_uncertainty.runtime import tiles as tiling
from mmseg_uncertainty.runtime.tiles import Window, allocate, tiles
from tests.tiny import tiny_posthoc

HEADS = dict(
    msp=dict(type='MSPHead'),
    native=dict(type='EnergyHead', resolution='native'),
    smooth=dict(type='MaxLogitHead', filters=[dict(type='GaussianSmoothing')]))
SET_HEAD = dict(type='ConformalRiskControlHead', num_classes=5, keep_curves=False)


@pytest.fixture(scope='module')
def model():
    torch.manual_seed(0)
    model = MODELS.build(Config(tiny_posthoc(HEADS, set_head=SET_HEAD))).eval()
    model.set_head.thresholds.fill_(0.2)
    return model


def image_of(height, width):
    return torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def sample_of(image, size):
    shape = tuple(image.shape[1:])
    return SegDataSample(metainfo=dict(ori_shape=size, img_shape=shape, pad_shape=shape, img_path='street'))


@pytest.mark.parametrize('align_corners', [False, True])
@pytest.mark.parametrize('size', [(50, 90), (97, 33), (20, 31), (7, 200)])
def test_windows_of_a_resized_map_are_those_of_the_whole(size, align_corners):
    maps = torch.randn(3, 40, 60, generator=torch.Generator().manual_seed(1))
    whole = F.interpolate(maps[None], size, mode='bilinear', align_corners=align_corners)[0]
    for window in tiles(size, 16):
        source = source_window(window, size, (40, 60))
        part = resample(maps[(slice(None), *source.slices)], source, (40, 60), size, window, align_corners)
        torch.testing.assert_close(part, whole[(slice(None), *window.slices)], atol=1e-4, rtol=0)


@pytest.mark.parametrize('size', [(64, 96), (150, 201)])
def test_one_pass_put_together_in_tiles_changes_nothing(model, size, monkeypatch):
    monkeypatch.setattr(tiled_prediction, 'TILE', 64)
    image = image_of(64, 96)
    expected, = model.test_step(dict(inputs=[image], data_samples=[sample_of(image, size)]))
    found = TiledPrediction(model, 2**21)(image, sample_of(image, size))
    torch.testing.assert_close(found.seg_logits.data, expected.seg_logits.data, atol=1e-4, rtol=0)
    assert torch.equal(found.pred_sem_seg.data.long(), expected.pred_sem_seg.data)
    for head in HEADS:
        torch.testing.assert_close(found.uncertainty.get(head), expected.uncertainty.get(head), atol=1e-4, rtol=0)
    assert torch.equal(found.prediction_set.membership, expected.prediction_set.membership)


def test_large_inputs_pass_in_tiles_of_their_own(model, monkeypatch):
    monkeypatch.setattr(tiled_prediction, 'TILE', 128)
    image, passes = image_of(301, 275), []
    run = model.run
    monkeypatch.setattr(model, 'run', lambda inputs, *rest: passes.append(inputs.shape) or run(inputs, *rest))
    found = TiledPrediction(model, 200 * 200)(image, sample_of(image, (301, 275)))
    assert len(passes) == 9 and max(height * width for _, _, height, width in passes) <= 384 * 384
    assert found.pred_sem_seg.shape == (301, 275) and found.uncertainty.msp.isfinite().all()


def test_logits_of_huge_results_are_left_out(model, monkeypatch):
    monkeypatch.setattr(tiled_prediction, 'MOST_LOGITS', 1000)
    image = image_of(64, 96)
    tiled = TiledPrediction(model, 2**21)
    assert tiled.is_needed(image, (64, 96))
    found = tiled(image, sample_of(image, (64, 96)))
    assert 'seg_logits' not in found and 'membership' not in found.prediction_set
    assert found.prediction_set.get('size').shape == (1, 64, 96)


def test_large_arrays_live_in_files(monkeypatch):
    assert not isinstance(allocate((2, 3), np.float32), np.memmap)
    monkeypatch.setattr(tiling, 'IN_MEMORY', 8)
    array = allocate((2, 3), np.float32)
    array[:] = 7
    assert isinstance(array, np.memmap) and array.sum() == 42


def test_windows_stay_inside():
    assert Window(0, 5, 3, 9).grown(4, (8, 10)) == Window(0, 8, 0, 10)
    assert sum((w.bottom - w.top) * (w.right - w.left) for w in tiles((33, 70), 16)) == 33 * 70


def test_sets_by_position_know_where_a_tile_lies(monkeypatch):
    monkeypatch.setattr(tiled_prediction, 'TILE', 32)
    torch.manual_seed(0)
    head = dict(type='KandinskyHead', num_classes=5, grouping='pixel', grid=(8, 12))
    model = MODELS.build(Config(tiny_posthoc({}, set_head=head))).eval()
    model.set_head.thresholds.copy_(torch.rand(96, 5, generator=torch.Generator().manual_seed(2)))
    image = image_of(64, 96)
    expected, = model.test_step(dict(inputs=[image], data_samples=[sample_of(image, (100, 130))]))
    found = TiledPrediction(model, 2**21)(image, sample_of(image, (100, 130)))
    assert (found.prediction_set.membership != expected.prediction_set.membership).float().mean() < 1e-3
    assert len(expected.prediction_set.get('size').unique()) > 1


@pytest.mark.parametrize('calibrator', [dict(type='ClusteredTemperatureScaling', num_clusters=2),
                                        dict(type='LocalTemperatureScaling')])
def test_calibrators_that_read_more_than_logits_work_in_tiles(calibrator, monkeypatch):
    monkeypatch.setattr(tiled_prediction, 'TILE', 64)
    torch.manual_seed(0)
    model = MODELS.build(Config(tiny_posthoc(HEADS, calibrator=calibrator))).eval()
    model.calibrator.fitted.fill_(True)
    if calibrator['type'].startswith('Clustered'):
        model.calibrator.clusters.centroids.normal_(generator=torch.Generator().manual_seed(1))
        model.calibrator.temperatures.copy_(torch.tensor([2., 5.]))
    else:
        for parameter in model.calibrator.network.parameters():
            torch.nn.init.normal_(parameter, std=0.1)
    image = image_of(64, 96)
    expected, = model.test_step(dict(inputs=[image], data_samples=[sample_of(image, (150, 201))]))
    found = TiledPrediction(model, 2**21)(image, sample_of(image, (150, 201)))
    torch.testing.assert_close(found.calibrated_logits.data, expected.calibrated_logits.data, atol=1e-3, rtol=0)
    torch.testing.assert_close(found.uncertainty.msp, expected.uncertainty.msp, atol=1e-3, rtol=0)


def test_the_mean_feature_of_tiles_counts_every_cell_once(monkeypatch):
    monkeypatch.setattr(tiled_prediction, 'TILE', 64)
    monkeypatch.setattr(tiled_prediction, 'CONTEXT', 1000)
    torch.manual_seed(0)
    model = MODELS.build(Config(tiny_posthoc({}, calibrator=dict(type='ClusteredTemperatureScaling', num_clusters=2)))).eval()
    image = image_of(128, 192)
    whole = model.run(*preprocessed(model, image), pool_features=True)[0].feature_means
    found = TiledPrediction(model, 100)._feature_means(image, sample_of(image, (128, 192)))
    torch.testing.assert_close(found, whole)


def preprocessed(model, image):
    data = model.data_preprocessor(dict(inputs=[image], data_samples=[sample_of(image, tuple(image.shape[1:]))]), False)
    return data['inputs'], [sample.metainfo for sample in data['data_samples']]
