"""Streamed temperatures are those of all pixels in memory, wherever they lie and however the pixels are arranged."""
import numpy as np
import pytest
import torch

from mmseg_uncertainty.functional.temperature import fit_temperature
from mmseg_uncertainty.models.calibrators import ClusteredTemperatureScaling, TemperatureScaling, likelihood_fit
from mmseg_uncertainty.models.calibrators.likelihood_fit import LikelihoodFit
from mmseg_uncertainty.structures import FrozenOutputs

CLASSES = 5


def drawn(size, factors, seed=0, classes=CLASSES):
    """One image whose pixels are off by these factors."""
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(classes, *size, generator=generator)
    labels = torch.multinomial(logits.flatten(1).T.softmax(1), 1, generator=generator).view(size)
    return logits * factors, labels


def fit(calibrator, images):
    """Fit as the loop does; returns the number of passes."""
    passes = 0
    for stage in range(calibrator.stages):
        while True:
            calibrator.start_stage(stage)
            for index, (logits, labels) in enumerate(images):
                features = torch.ones(1, 2, 1, 1) * torch.tensor([1., index])[None, :, None, None]
                outputs = FrozenOutputs(logits[None], logits[None], features)
                calibrator.update(outputs, labels[None], [dict(img_path=f'{index}.png')])
            calibrator.merge_ranks()
            calibrator.finish_stage(stage)
            passes += 1
            if not calibrator.needs_another_pass(stage):
                break
    return passes


def in_memory(images, chosen=lambda logits: slice(None)):
    logits = torch.cat([values.flatten(1) for values, _ in images], dim=1)
    labels = torch.cat([labels.flatten() for _, labels in images])
    kept = chosen(logits)
    return fit_temperature(logits[:, kept], labels[kept])


def test_columns_of_one_phase_decide_nothing():
    """Every eighth column is underconfident, all others overconfident; a sample by stride sees one kind only."""
    factors = torch.full((512, 1024), 2.5)
    factors[:, ::8] = 0.4
    image = drawn((512, 1024), factors)
    calibrator = TemperatureScaling(CLASSES)
    assert fit(calibrator, [image]) == 2
    assert calibrator.temperature.item() == pytest.approx(in_memory([image]), rel=1e-7)


def test_the_sample_of_an_image_depends_on_its_name_alone():
    images = {name: drawn((200, 300), 2., seed) for seed, name in enumerate('abc')}
    curves = []
    for order in ('abc', 'cab'):
        coarse = LikelihoodFit()
        for name in order:
            logits, labels = images[name]
            coarse.add_coarse(name, logits.flatten(1), labels.flatten())
        curves.append(coarse.coarse_curve())
    np.testing.assert_array_equal(curves[0].slopes, curves[1].slopes)
    logits, labels = images['a']
    one, other = LikelihoodFit(), LikelihoodFit()
    one.add_coarse('a', logits.flatten(1), labels.flatten())
    other.add_coarse('b', logits.flatten(1), labels.flatten())
    assert (one.coarse_curve().slopes != other.coarse_curve().slopes).any()


def test_images_weigh_in_the_sample_as_their_pixels_do():
    large, small = drawn((600, 600), 4.), drawn((160, 200), 0.5, seed=1)
    coarse = LikelihoodFit()
    for key, (logits, labels) in (('large', large), ('small', small)):
        coarse.add_coarse(key, logits.flatten(1), labels.flatten())
    assert 1 / coarse.coarse_curve().inverse_temperature() == pytest.approx(in_memory([large, small]), rel=0.03)


def test_void_pixels_take_no_place_in_the_sample(monkeypatch):
    monkeypatch.setattr(likelihood_fit, 'COARSE_PIXELS', 2000)
    logits, labels = drawn((100, 100), 3.)
    labels[:80] = 255
    coarse = LikelihoodFit()
    coarse.add_coarse('a', logits.flatten(1), labels.flatten())
    exact = LikelihoodFit()
    exact.add_coarse('a', logits[:, 80:].flatten(1), labels[80:].flatten())
    np.testing.assert_allclose(coarse.coarse_curve().slopes, exact.coarse_curve().slopes, rtol=1e-6)


@pytest.mark.parametrize('left', [[], [0], [1], [0, 1]])
def test_one_group_that_is_not_found_costs_another_pass(left):
    calibrator = TemperatureScaling(2, classwise=True)
    groups = LikelihoodFit(2)
    groups.nodes = [np.ones(3 if group in left else 0) for group in range(2)]
    assert groups.needs_another_pass() == bool(left)
    done = LikelihoodFit()
    done.nodes = [np.ones(0)]
    calibrator._fits = [done, groups]
    assert calibrator.needs_another_pass(1) == bool(left) and not calibrator.needs_another_pass(0)


def test_every_class_has_the_temperature_of_its_own_pixels():
    images = [drawn((60, 70), 1., seed) for seed in range(3)]
    images = [(logits * (1 + logits.argmax(0)), labels) for logits, labels in images]
    calibrator = TemperatureScaling(CLASSES, classwise=True)
    fit(calibrator, images)
    expected = [in_memory(images, lambda logits, own=own: logits.argmax(0) == own) for own in range(CLASSES)]
    assert calibrator.temperature.tolist() == pytest.approx(expected, rel=1e-7)
    assert np.ptp(expected) > 2


@pytest.mark.parametrize('classwise', [False, True])
def test_a_sample_that_misleads_costs_a_pass_and_nothing_else(monkeypatch, classwise):
    def mislead(self, key, logits, labels, groups=None):
        add(self, key, logits * misled_by, labels, groups)

    add = LikelihoodFit.add_coarse
    monkeypatch.setattr(LikelihoodFit, 'add_coarse', mislead)
    image = drawn((60, 70), 2.5)
    for misled_by, most in ((1.3, 4), (50., 5), (0.001, 5)):
        calibrator = TemperatureScaling(CLASSES, classwise=classwise)
        assert 2 < fit(calibrator, [image]) <= most
        chosen = (lambda logits: logits.argmax(0) == 0) if classwise else (lambda logits: slice(None))
        assert calibrator.temperature[0].item() == pytest.approx(in_memory([image], chosen), rel=1e-7)


@pytest.mark.parametrize('scale', [1e-5, 5e-3, 100., 1e3, 1e5])
def test_a_temperature_of_any_scale_is_streamed(scale):
    image = drawn((60, 70), scale)
    for calibrator in (TemperatureScaling(CLASSES), ClusteredTemperatureScaling(CLASSES, 1)):
        if hasattr(calibrator, 'allocate'):
            calibrator.allocate(2)
        fit(calibrator, [image])
        temperature = getattr(calibrator, 'temperature', None)
        found = calibrator.temperatures if temperature is None else temperature
        assert found.item() == pytest.approx(in_memory([image]), rel=1e-6)
        assert found.item() == pytest.approx(scale, rel=0.1)


def test_a_likelihood_without_maximum_is_reported(monkeypatch):
    said = []
    monkeypatch.setattr(likelihood_fit, 'print_log', lambda message, *_: said.append(message))
    logits, labels = drawn((60, 70), 2.)
    right, wrong = logits.argmax(0), logits.argmin(0)
    for labels, reason, stand_in in ((right, 'predicted right', 2.**-10), (wrong, 'no larger', 2.**10)):
        calibrator = TemperatureScaling(CLASSES)
        fit(calibrator, [(logits, labels)])
        assert 'no maximum' in said[-1] and reason in said[-1] and calibrator.temperature.item() == stand_in


def test_a_class_whose_pixels_are_all_right_takes_the_temperature_of_all(monkeypatch):
    said = []
    monkeypatch.setattr(likelihood_fit, 'print_log', lambda message, *_: said.append(message))
    logits, labels = drawn((60, 70), 2.)
    labels[logits.argmax(0) == 3] = 3
    calibrator = TemperatureScaling(CLASSES, classwise=True)
    fit(calibrator, [(logits, labels)])
    assert calibrator.temperature[3].item() == pytest.approx(in_memory([(logits, labels)]), rel=1e-7)
    assert len(said) == 1 and 'groups [3] has no maximum' in said[0]


def test_a_fit_has_one_group_unless_told_and_ends_after_eight_passes():
    fit, (logits, labels) = LikelihoodFit(), drawn((20, 30), 2.5)
    fit.add_coarse('a', logits.flatten(1), labels.flatten())
    fit.finish_coarse()
    fit.finish_fine()
    assert fit.inverses().shape == (1, )
    fit.nodes = [np.ones(5)]
    for fit.passes, goes_on in ((7, True), (8, False)):
        assert fit.needs_another_pass() == goes_on
