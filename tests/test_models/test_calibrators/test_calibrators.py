"""Fits of the calibrators, alone and inside a frozen model."""
import copy
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import nn
from torch.testing import assert_close

from mmseg_uncertainty.functional import entropy
from mmseg_uncertainty.functional.temperature import fit_temperature
from mmseg_uncertainty.models.calibrators import (ClusteredTemperatureScaling, LocalTemperatureScaling, TemperatureScaling,
                                                  VectorScaling)
from mmseg_uncertainty.models.calibrators.feature_clusters import FeatureClusters
from mmseg_uncertainty.structures import FrozenOutputs
from tests.tiny import tiny_base

CLASSES, SIZE = 5, (24, 32)
KEPT = [
    dict(type='TemperatureScaling'), dict(type='TemperatureScaling', classwise=True), dict(type='VectorScaling'),
    dict(type='ClusteredTemperatureScaling', num_clusters=2), dict(type='LocalTemperatureScaling', epochs=1),
    dict(type='MatrixScaling'), dict(type='EnsembleTemperatureScaling'), dict(type='OrderPreservingScaling'),
    dict(type='OrderPreservingScaling', classwise=True), dict(type='SelectiveScaling'), dict(type='SplineCalibration')]


def images(count=8, temperatures=2.5, seed=0):
    """Logits that are too large by a factor for each image, labels with void, features that betray the factor."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(count, CLASSES, *SIZE, generator=generator)
    drawn = torch.multinomial(logits.movedim(1, -1).reshape(-1, CLASSES).softmax(1), 1, generator=generator)
    labels = drawn.reshape(count, *SIZE)
    labels[:, :3] = 255
    factors = torch.as_tensor(temperatures, dtype=torch.float32).expand(count)
    features = torch.stack([factors, 10 - factors], dim=1)[..., None, None] + 0.01 * torch.rand(count, 2, 3, 4, generator=generator)
    outputs = FrozenOutputs(logits * factors[:, None, None, None], logits, features, 255 * torch.rand(
        count, 3, *SIZE, generator=generator))
    return outputs, labels, [dict(img_path=f'{index}.png') for index in range(count)]


def part(outputs, chosen):
    return FrozenOutputs(*(maps[chosen] for maps in (outputs.logits, outputs.native_logits, outputs.features, outputs.images)))


def fit(calibrator, data, batches=None):
    if hasattr(calibrator, 'allocate'):
        calibrator.allocate(2)
    outputs, labels, metas = data
    for stage in range(calibrator.stages):
        calibrator.start_stage(stage)
        for batch in batches or [list(range(len(labels)))]:
            calibrator.update(part(outputs, batch), labels[batch], [metas[index] for index in batch])
        calibrator.merge_ranks()
        calibrator.finish_stage(stage)
    return calibrator


def flat(outputs, labels):
    kept = labels != 255
    return outputs.logits.movedim(1, -1)[kept].T, labels[kept]


@pytest.mark.parametrize('options', [dict(), dict(objective='ece', pixels_per_image=700), dict(classwise=True)])
def test_a_planted_temperature_is_recovered(options):
    calibrator = fit(TemperatureScaling(CLASSES, **options), images(60))
    tolerance = dict(rel=0.03 if options else 0.01)
    assert calibrator.temperature.tolist() == pytest.approx([2.5] * len(calibrator.temperature), **tolerance)


def test_the_streamed_fit_is_that_of_all_pixels_in_memory():
    data = images(6)
    calibrator = fit(TemperatureScaling(CLASSES), data, [[index] for index in range(6)])
    assert calibrator.temperature.item() == pytest.approx(fit_temperature(*flat(*data[:2])), rel=1e-9)


SAMPLED = [dict(type='TemperatureScaling', objective='ece', pixels_per_image=50),
           dict(type='LocalTemperatureScaling', epochs=1, crop_size=(8, 8))]


@pytest.mark.parametrize('config', SAMPLED)
def test_a_fit_is_the_same_wherever_the_images_lie(config):
    outputs, labels, metas = images(6)
    one, other = (fit(MODELS.build(dict(num_classes=CLASSES) | config), (
        outputs, labels, [dict(img_path=f'{folder}/{meta["img_path"]}') for meta in metas])) for folder in ('a', '/b/c'))
    for key, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[key]), key


@pytest.mark.parametrize('config', KEPT + SAMPLED)
def test_neither_order_nor_batches_change_a_bit(config):
    factory = dict(num_classes=CLASSES) | config
    data = images(6, [1., 1., 1., 3., 3., 3.])
    one, other = (fit(MODELS.build(factory), data, batches) for batches in ([[5, 0], [3, 2, 1, 4]], [[0, 1, 2, 3, 4, 5]]))
    for key, value in one.state_dict().items():
        assert torch.equal(value, other.state_dict()[key]), key


@pytest.mark.parametrize('config', KEPT)
def test_predictions_never_change(config):
    data = images(8)
    outputs, _, metas = data
    calibrator = fit(MODELS.build(dict(num_classes=CLASSES) | config), data)
    rounded = FrozenOutputs((outputs.logits * 4).round() / 4, outputs.logits, outputs.features, outputs.images)
    for given in (outputs, rounded):
        calibrated = calibrator(given, metas)
        assert torch.equal(calibrated.argmax(1), given.logits.argmax(1)) and not torch.equal(calibrated, given.logits)


@pytest.mark.parametrize('config', KEPT)
def test_the_likelihood_of_other_images_grows(config):
    calibrator = fit(MODELS.build(dict(num_classes=CLASSES) | config), images(24, [1.5, 4.] * 12))
    outputs, labels, metas = images(8, [1.5, 4.] * 4, seed=1)
    before, after = (nn.functional.cross_entropy(logits, labels, ignore_index=255)
                     for logits in (outputs.logits, calibrator(outputs, metas)))
    assert after < before


def test_vector_scaling_changes_predictions_when_asked():
    outputs, labels, metas = images(30)
    shifted = FrozenOutputs(outputs.logits + torch.arange(5.)[:, None, None], *(
        getattr(outputs, name) for name in ('native_logits', 'features', 'images')))
    calibrator = fit(VectorScaling(CLASSES, keep_argmax=False), (shifted, labels, metas))
    assert_close(calibrator.scale, torch.full((5, ), 0.4, dtype=torch.float64), atol=0.03, rtol=0)
    assert_close(calibrator.offset, -0.4 * (torch.arange(5.).double() - 2), atol=0.1, rtol=0)
    assert calibrator.offset.mean().abs() < 1e-12
    assert not torch.equal(calibrator(shifted, metas).argmax(1), shifted.logits.argmax(1))


def test_a_constant_added_to_all_logits_of_a_pixel_changes_nothing_of_vector_scaling():
    outputs, labels, metas = images(8)
    constants = 30 * torch.randn(8, 1, *SIZE, generator=torch.Generator().manual_seed(5))
    moved = FrozenOutputs(outputs.logits + constants, outputs.native_logits, outputs.features, outputs.images)
    one, other = (fit(VectorScaling(CLASSES, keep_argmax=False), (given, labels, metas)) for given in (outputs, moved))
    assert_close(one.scale, other.scale, rtol=1e-3, atol=1e-3)
    assert_close(one(outputs, metas).softmax(1), one(moved, metas).softmax(1), rtol=1e-3, atol=1e-4)


def test_vector_scaling_of_older_checkpoints_gives_what_it_gave():
    outputs, _, metas = images(2)
    state = dict(scale=torch.rand(5).double() + 0.5, offset=torch.randn(5).double(), fitted=torch.tensor(True))
    old = VectorScaling(CLASSES, keep_argmax=False)
    old.load_state_dict(state)
    expected = outputs.logits.double() * state['scale'][:, None, None] + state['offset'][:, None, None]
    assert_close(old(outputs, metas).double().softmax(1), expected.softmax(1), rtol=1e-5, atol=1e-6)
    copy = VectorScaling(CLASSES)
    copy.load_state_dict(fit(VectorScaling(CLASSES), images(2)).state_dict())
    assert copy.centered and not old.centered


@pytest.mark.parametrize('config', KEPT)
def test_broken_logits_are_refused_where_they_are_labelled(config):
    outputs, labels, metas = images(6)
    for broken in (torch.nan, torch.inf):
        outputs.logits[2, 1, 0, 0] = broken
        fit(MODELS.build(dict(num_classes=CLASSES) | config), (outputs, labels, metas))
        spoiled = outputs.logits.clone()
        spoiled[2, 1, 9, 0] = broken
        given = FrozenOutputs(spoiled, outputs.native_logits, outputs.features, outputs.images)
        with pytest.raises(ValueError, match='logits of 1 labelled pixels are NaN or infinite'):
            fit(MODELS.build(dict(num_classes=CLASSES) | config), (given, labels, metas))


@pytest.mark.parametrize('config', [config for config in KEPT if config['type'] != 'LocalTemperatureScaling'])
def test_images_of_void_alone_end_the_fit_in_its_first_pass(config):
    calibrator = MODELS.build(dict(num_classes=CLASSES) | config)
    if hasattr(calibrator, 'allocate'):
        calibrator.allocate(2)
    outputs, labels, metas = images(6)
    calibrator.start_stage(0)
    calibrator.update(outputs, torch.full_like(labels, 255), metas)
    calibrator.merge_ranks()
    with pytest.raises(ValueError, match='no pixel of the calibration images is labelled'):
        calibrator.finish_stage(0)


def test_each_cluster_finds_its_temperature():
    data = images(40, [1.5, 4.] * 20)
    for method in ('kmeans', 'gmm'):
        calibrator = fit(ClusteredTemperatureScaling(CLASSES, 2, method), data)
        assert calibrator.image_temperatures(data[0]).tolist() == pytest.approx([1.5, 4.] * 20, rel=0.03)


@pytest.mark.parametrize('method', ['kmeans', 'gmm'])
@pytest.mark.parametrize('assignment', ['hard', 'soft'])
def test_one_cluster_is_the_plain_temperature_bit_for_bit(method, assignment):
    data = images(6)
    plain, one = fit(TemperatureScaling(CLASSES), data), fit(ClusteredTemperatureScaling(CLASSES, 1, method, assignment), data)
    assert torch.equal(plain.temperature, one.temperatures)
    assert torch.equal(plain(data[0], data[2]), one(data[0], data[2]))


def test_an_empty_cluster_takes_the_temperature_of_all(monkeypatch):
    def leave_one_empty(self, features):
        self.centroids.copy_(torch.from_numpy(np.stack([features.mean(0), features.mean(0) + 100])))

    monkeypatch.setattr(FeatureClusters, 'fit', leave_one_empty)
    data = images(6)
    calibrator = fit(ClusteredTemperatureScaling(CLASSES, 2), data)
    assert calibrator.temperatures[1] == fit(TemperatureScaling(CLASSES), data).temperature[0]
    few = fit(ClusteredTemperatureScaling(CLASSES, 2, min_images=7), data)
    assert few.temperatures[0] == few.temperatures[1]


def test_local_temperature_starts_at_one_and_its_branches_part_at_the_first_step():
    data = images(8)
    calibrator = fit(LocalTemperatureScaling(CLASSES, epochs=0), data)
    assert torch.equal(calibrator(data[0], data[2]), data[0].logits)
    learned = fit(LocalTemperatureScaling(CLASSES, epochs=1), data).network
    weights = learned.branches.weight.flatten(1)
    assert torch.pdist(weights).min() > 1e-5
    assert not learned.branches.weight.requires_grad
    assert (learned(100 * data[0].logits, data[0].images) >= learned.floor).all()


def test_local_temperature_reads_rgb_of_the_base_model():
    preprocessor = SimpleNamespace(_enable_normalize=True, mean=torch.full((3, 1, 1), 100.), std=torch.full((3, 1, 1), 50.))
    calibrator = LocalTemperatureScaling(CLASSES)
    calibrator.bind(SimpleNamespace(data_preprocessor=preprocessor, align_corners=False))
    image = 255 * torch.rand(3, *SIZE)
    padded = nn.functional.pad((image - 100) / 50, (0, 8, 0, 4))
    outputs = FrozenOutputs(torch.zeros(1, CLASSES, *SIZE), images=padded[None])
    rgb, = calibrator._images(outputs, [dict(padding_size=[0, 8, 0, 4])])
    assert_close(rgb, image / 255, atol=1e-5, rtol=0)


@pytest.mark.parametrize('wanted', [(8, 8), (24, 10), (90, 32)])
def test_crops_for_local_temperatures_are_pieces_of_their_image(wanted):
    outputs, labels, metas = images(3)
    pixels, outputs.images = outputs.images.round(), outputs.images.round() / 255
    calibrator = LocalTemperatureScaling(CLASSES, crop_size=wanted, crops_per_image=6)
    calibrator.start_stage(0)
    calibrator.update(outputs, labels, metas)
    size = tuple(min(pair) for pair in zip(wanted, SIZE))
    for index in range(3):
        for logits, image, label in calibrator._crops[f'{index}.png']:
            assert logits.shape[1:] == image.shape[1:] == label.shape == size
            whole = pixels[index].unfold(1, size[0], 1).unfold(2, size[1], 1)
            row, column = (whole == image[:, None, None]).all(-1).all(-1).all(0).nonzero()[0].tolist()
            part = slice(row, row + size[0]), slice(column, column + size[1])
            assert torch.equal(label, labels[index][part].byte())
            assert torch.equal(logits, outputs.logits[index][:, part[0], part[1]].half())


@pytest.mark.parametrize('problem, message', [
    (lambda: TemperatureScaling(CLASSES)(images(1)[0], [{}]), 'was not fitted yet'),
    (lambda: TemperatureScaling(CLASSES, 'brier'), "objective='brier'"),
    (lambda: fit(TemperatureScaling(3), images(2)),
     r'TemperatureScaling: labels 3, 4 at \d+ of \d+ pixels, expected 0 to 2, or 255'),
    (lambda: fit(ClusteredTemperatureScaling(CLASSES, 9), images(2)), '2 distinct images cannot form 9'),
    (lambda: fit(TemperatureScaling(CLASSES), (*images(2)[:2], [{}, {}])), 'Two calibration images'),
    (lambda: fit(LocalTemperatureScaling(CLASSES), images(2)), '2 images leave 0'),
])
def test_problems_are_named(problem, message):
    with pytest.raises((RuntimeError, ValueError), match=message):
        problem()


def samples(count):
    result = []
    for index in range(count):
        sample = SegDataSample(metainfo=dict(img_path=f'{index}.png', ori_shape=(50, 70), img_shape=(64, 96),
                                             pad_shape=(64, 96)))
        generator = torch.Generator().manual_seed(index)
        sample.gt_sem_seg = PixelData(data=torch.randint(0, 5, (1, 50, 70), generator=generator))
        result.append(sample)
    return result


@pytest.mark.parametrize('mode', ['whole', 'slide'])
@pytest.mark.parametrize('config', KEPT, ids=lambda config: config['type'])
def test_a_model_is_calibrated_and_its_own_result_stays(mode, config):
    torch.manual_seed(0)
    base = tiny_base(mode)
    plain = MODELS.build(Config(copy.deepcopy(base))).eval()
    heads = dict(entropy=dict(type='EntropyHead'), native=dict(type='MSPHead', resolution='native'))
    model = MODELS.build(Config(dict(base, type='PosthocSegmentor', calibrator=config, uncertainty_heads=heads))).eval()
    model.load_state_dict(plain.state_dict(), strict=False)
    inputs, given = torch.rand(8, 3, 64, 96), samples(8)
    raw = model.frozen_outputs(inputs, given)
    assert next(iter(model.posthoc_modules())) is model.calibrator and model.fittables() == [model.calibrator]
    with torch.no_grad():
        for stage in range(model.calibrator.stages):
            model.calibrator.start_stage(stage)
            model.calibrator.update(raw, torch.cat([sample.gt_sem_seg.data for sample in given]), [
                sample.metainfo for sample in given])
            model.calibrator.merge_ranks()
            model.calibrator.finish_stage(stage)
        expected, results = plain.predict(inputs, samples(8)), model.predict(inputs, samples(8))
    fitted = model.frozen_outputs(inputs, given).logits
    for index, (one, other) in enumerate(zip(expected, results)):
        assert torch.equal(one.seg_logits.data, other.seg_logits.data)
        assert torch.equal(one.pred_sem_seg.data, other.pred_sem_seg.data)
        calibrated = other.calibrated_logits.data
        assert calibrated.shape == (5, 50, 70) and not torch.equal(calibrated, one.seg_logits.data)
        assert_close(other.uncertainty.entropy, entropy(calibrated[None]))
        assert_close(calibrated, fitted[index], atol=1e-4, rtol=1e-4)
