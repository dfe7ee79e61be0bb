"""Wrap, fit, predict and save: the laws of each."""
import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from sklearn.metrics import roc_auc_score
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

import mmseg_uncertainty
from mmseg_uncertainty.engine.checkpoints import CheckpointError
from mmseg_uncertainty.functional.conformal_splits import block_positions
from mmseg_uncertainty.plain import gradient_fit
from tests.test_plain.small_networks import CLASSES, FLOW, small_images, small_loader, small_network

IMAGES, LABELS = small_images(12)
PROMISE = dict(calibrator='temperature', sets=dict(alpha=0.25))
QUIET = dict(progress=False)


def wrapped(network=None, **options):
    return mmseg_uncertainty.wrap(network or small_network(), **dict(classes=CLASSES, features_from='2') | options)


def fitted(loader=None, fit=QUIET, **options):
    return wrapped(**options).fit(small_loader(IMAGES, LABELS) if loader is None else loader, **fit)


def from_start(options, weights):
    model = wrapped(**options)
    model.posthoc.load_state_dict(weights, strict=False)
    return model


def states_equal(first, second):
    return all(torch.equal(value.nan_to_num(), second.posthoc.state_dict()[key].nan_to_num())
               for key, value in first.posthoc.state_dict().items())


def full_logits(images):
    with torch.no_grad():
        return F.interpolate(small_network()(images), size=images.shape[-2:], mode='bilinear')


def test_classes_and_logits_are_those_of_the_network():
    result = wrapped(heads=['msp', 'entropy']).predict(IMAGES)
    assert torch.equal(result.logits, full_logits(IMAGES)) and torch.equal(result.labels, full_logits(IMAGES).argmax(1))
    assert_close(result.uncertainty['msp'], 1 - full_logits(IMAGES).softmax(1).amax(1))
    assert list(result.uncertainty) == ['msp', 'entropy'] and result.prediction_set is None and result.set_size is None


def test_one_image_and_arrays_are_images_too():
    model = wrapped()
    assert torch.equal(model.predict(IMAGES[0]).labels, model.predict(IMAGES[:1].numpy()).labels)


def test_results_have_the_size_that_is_asked_for():
    result = wrapped().predict(IMAGES[:2], size=(31, 17))
    resized = F.interpolate(full_logits(IMAGES[:2]), size=(31, 17), mode='bilinear')
    assert_close(result.logits, resized)
    assert result.uncertainty['msp'].shape == result.labels.shape == (2, 31, 17)


class Strict(nn.Sequential):
    """Takes multiples of 8 only, as encoders with strides do."""

    def forward(self, images):
        assert images.shape[-1] % 8 == images.shape[-2] % 8 == 0
        return super().forward(images)


def test_images_are_padded_and_results_are_not():
    network = Strict(*small_network())
    result = wrapped(network, size_divisor=8, heads=['msp', 'mahalanobis']).fit([(IMAGES, LABELS)], **QUIET).predict(IMAGES)
    with torch.no_grad():
        expected = F.interpolate(small_network()(F.pad(IMAGES, (0, 4))), size=(16, 24), mode='bilinear')[..., :20]
    assert_close(result.logits, expected)
    assert result.uncertainty['mahalanobis'].shape == (12, 16, 20)


def calibration_parts(share=0.3):
    positions = block_positions(np.arange(len(IMAGES)), 0)
    return positions < share


def test_the_temperature_is_the_likeliest_on_the_images_of_the_calibrator():
    temperature = float(fitted(**PROMISE).posthoc.calibrator.temperature)
    chosen = torch.from_numpy(calibration_parts())
    logits, labels = full_logits(IMAGES)[chosen].double(), LABELS[chosen]

    def loss(value):
        return float(F.cross_entropy(logits / value, labels, ignore_index=255))

    assert temperature == pytest.approx(minimize_scalar(loss, bounds=(0.1, 10), method='bounded',
                                                        options=dict(xatol=1e-9)).x, rel=1e-5)
    assert temperature == pytest.approx(2, rel=0.2)


def test_sets_are_the_smallest_that_keep_the_promise_on_the_other_images():
    model = fitted(**PROMISE)
    chosen = torch.from_numpy(~calibration_parts())
    count = int(chosen.sum())

    def risk(threshold):
        probabilities = (full_logits(IMAGES)[chosen] / float(model.posthoc.calibrator.temperature)).softmax(1)
        own = probabilities.gather(1, LABELS[chosen].clamp(max=2)[:, None])[:, 0]
        right = probabilities.argmax(1) == LABELS[chosen]
        missed, valid = (own < threshold) & ~right, LABELS[chosen] != 255
        return float(((missed & valid).sum((1, 2)) / valid.sum((1, 2))).mean())

    threshold = float(model.posthoc.set_head.thresholds[0])
    assert (count * risk(threshold - 1e-5) + 1) / (count + 1) <= 0.25 < (count * risk(threshold + 1e-3) + 1) / (count + 1)


def test_images_of_the_sets_do_not_fit_the_calibrator():
    labels = LABELS.clone()
    labels[torch.from_numpy(~calibration_parts()), 5:9] = 0
    models = fitted(**PROMISE), fitted(small_loader(IMAGES, labels), **PROMISE)
    temperatures, thresholds = ([part(model.posthoc) for model in models] for part in (
        lambda posthoc: float(posthoc.calibrator.temperature), lambda posthoc: float(posthoc.set_head.thresholds[0])))
    assert temperatures[0] == temperatures[1] and thresholds[0] != thresholds[1]


@pytest.mark.parametrize('options', [
    dict(heads=['sml', 'mahalanobis', 'vim', 'knn'], **PROMISE),
    dict(calibrator='vector', sets=dict(alpha=0.3, method='kandinsky', grouping='image')),
    dict(calibrator=dict(type='ClusteredTemperatureScaling', num_clusters=2, min_images=1)),
])
def test_order_and_batches_do_not_matter(options):
    first = fitted(small_loader(IMAGES, LABELS, shuffle=True), **options)
    second = fitted(small_loader(IMAGES, LABELS, batch_size=5, shuffle=True), **options)
    for name, values in first.predict(IMAGES).uncertainty.items():
        assert_close(values, second.predict(IMAGES).uncertainty[name], rtol=1e-4, atol=1e-4)
    assert_close(first.predict(IMAGES).probabilities, second.predict(IMAGES).probabilities, rtol=1e-4, atol=1e-5)


def test_every_form_of_a_batch_fits_the_same():
    labels = LABELS.masked_fill(LABELS == 255, -100)
    halves = [dict(pixel_values=IMAGES[part], labels=labels[part]) for part in (slice(5), slice(5, None))]
    loaders = [[(IMAGES, labels)], halves, [(list(IMAGES), list(labels))]]
    models = [fitted(loader, ignore_index=-100, **PROMISE) for loader in loaders]
    assert states_equal(models[0], fitted([(IMAGES, LABELS)], **PROMISE))
    assert states_equal(models[0], models[2])
    assert_close(models[0].posthoc.calibrator.temperature, models[1].posthoc.calibrator.temperature, rtol=1e-6, atol=0.)


def test_labels_of_another_size_are_read_at_their_size():
    labels = LABELS.repeat_interleave(2, 1).repeat_interleave(2, 2)
    mixed = [([*IMAGES[:6], *IMAGES[6:, :, :8]], [*labels[:6], *LABELS[6:, :8]])]
    assert 1 < float(fitted([(IMAGES, labels)], **PROMISE).posthoc.calibrator.temperature) < 4
    model = fitted(mixed, heads=['mahalanobis', *FLOW], fit=dict(iterations=1, **QUIET), **PROMISE)
    assert model.fitted_on['images'] == 12 and model.predict(IMAGES).prediction_set.any(1).all()


def test_a_binary_network_has_two_classes():
    network, labels = small_network(1), LABELS.masked_fill(LABELS == 2, 0)
    model = mmseg_uncertainty.wrap(network, num_classes=1, heads=['msp'], **PROMISE).fit([(IMAGES, labels)], **QUIET)
    result = model.predict(IMAGES)
    assert model.num_classes == 2 and model.classes == ('0', '1') and result.logits.shape == (12, 2, 16, 20)
    assert torch.equal(result.labels, (F.interpolate(network(IMAGES), size=(16, 20), mode='bilinear')[:, 0] > 0).long())


def test_flows_learn_to_rank_mistakes():
    generator = torch.Generator().manual_seed(0)
    weights = wrapped(heads=FLOW).posthoc.state_dict()
    # The score of an unfitted flow ranks as the margin does; here pixels of a large energy are wrong, whatever their margin.
    labels = full_logits(IMAGES).argmax(1)
    wrong = full_logits(IMAGES).logsumexp(1) > full_logits(IMAGES).logsumexp(1).median()
    labels = torch.where(wrong, (labels + torch.randint(1, 3, labels.shape, generator=generator)) % 3, labels)
    models = [from_start(dict(heads=FLOW), weights).fit([(IMAGES, labels)], iterations=count, learning_rate=1e-2, **QUIET)
              for count in (1, 80)]
    start, end = (roc_auc_score(wrong.flatten(), model.predict(IMAGES).uncertainty['fedu'].flatten()) for model in models)
    assert start < 0.6 and end > 0.8


def test_flows_learn_from_the_logits_that_they_score():
    """Native heads never read calibrated logits, so a calibrator beside them, even one fitted before, changes nothing."""
    weights = wrapped(heads=FLOW).posthoc.state_dict()
    models = [from_start(dict(heads=FLOW, **options), weights) for options in ({}, dict(calibrator='temperature'))]
    models[1].posthoc.calibrator.temperature.fill_(5.)
    models[1].posthoc.calibrator.fitted.fill_(True)
    scores = [model.fit(small_loader(IMAGES, LABELS), iterations=5, **QUIET).predict(IMAGES).uncertainty['fedu']
              for model in models]
    assert torch.equal(*scores)


def test_evidence_of_flows_is_fitted_first_and_left_alone():
    heads = FLOW | dict(knn=dict(per_class=20), fed_evidence=FLOW['fedu'] | dict(evidence=['knn']))
    seen = []
    model = wrapped(heads=heads, **PROMISE)
    head = model.posthoc.uncertainty_heads['knn']
    finish = head.finish_stage
    head.finish_stage = lambda stage: (finish(stage), seen.append(head.bank.clone()))
    assert list(model._parts()) == ['evidence', 'heads that learn by gradient', 'calibrator', 'statistics']
    model.fit(small_loader(IMAGES, LABELS), iterations=3, **QUIET)
    assert len(seen) == 1 and torch.equal(head.bank, seen[0]) and not head.bank.eq(0).all()
    assert model.predict(IMAGES).uncertainty['fed_evidence'].isfinite().all()
    # Another fit starts with the evidence again.
    model.fit(small_loader(IMAGES.flip(0), LABELS.flip(0)), iterations=1, **QUIET)
    assert len(seen) == 2


def test_the_random_state_of_the_process_is_left_alone():
    torch.manual_seed(0)
    expected = torch.rand(3)
    torch.manual_seed(0)
    model = wrapped(heads=FLOW)
    torch.manual_seed(0)
    model.fit(small_loader(IMAGES, LABELS), iterations=3, **QUIET)
    assert torch.equal(torch.rand(3), expected)


class Interrupted:
    """A loader that stops the process after so many batches."""

    def __init__(self, loader, batches):
        self.loader, self.left, self.sampler = loader, batches, getattr(loader, 'sampler', None)

    def __len__(self):
        return len(self.loader)

    def __iter__(self):
        for batch in self.loader:
            if not self.left:
                raise KeyboardInterrupt
            self.left -= 1
            yield batch


# Three batches list the images; eleven learn, six and three are the passes.
@pytest.mark.parametrize('shuffle', [False, True])
@pytest.mark.parametrize('batches', [4, 10, 16, 21])
def test_an_interrupted_fit_goes_on_and_ends_the_same(batches, shuffle, tmp_path, monkeypatch):
    monkeypatch.setattr(gradient_fit, 'SAVE_INTERVAL', 2)
    options = dict(heads=FLOW | dict(sml={}, mahalanobis={}), **PROMISE)
    fit = dict(iterations=11, resume=tmp_path / 'fit', **QUIET)
    loader = small_loader(IMAGES, LABELS, shuffle=shuffle)
    weights = wrapped(**options).posthoc.state_dict()
    whole, interrupted = from_start(options, weights).fit(loader, **fit), from_start(options, weights)
    with pytest.raises(KeyboardInterrupt):
        interrupted.fit(Interrupted(loader, batches), **fit)
    with pytest.raises(RuntimeError, match='must be fitted first'):
        interrupted.predict(IMAGES)
    rest = Interrupted(loader, 1000)
    gone_on = from_start(options, weights).fit(rest, **fit)
    flows = [model.posthoc.uncertainty_heads['fedu'].state_dict() for model in (whole, gone_on)]
    assert all(torch.equal(value, flows[1][key]) for key, value in flows[0].items())
    assert shuffle or states_equal(whole, gone_on)
    assert_close(gone_on.posthoc.set_head.thresholds, whole.posthoc.set_head.thresholds)
    assert 1000 - rest.left == dict(zip([4, 10, 16, 21], [23, 20, 12, 6]))[batches]
    assert not list((tmp_path / 'fit').iterdir())


def test_a_fit_under_other_circumstances_does_not_go_on(tmp_path):
    fit = dict(resume=tmp_path, **QUIET)
    with pytest.raises(KeyboardInterrupt):
        wrapped(**PROMISE).fit(Interrupted(small_loader(IMAGES, LABELS), 10), **fit)
    for other, change in (('base', dict(network=small_network(seed=1))), ('methods', dict(sets=dict(alpha=0.1)))):
        with pytest.raises(CheckpointError, match=f'fit.pth holds a fit under other circumstances: {other}'):
            wrapped(**PROMISE | change).fit(small_loader(IMAGES, LABELS), **fit)
    with pytest.raises(CheckpointError, match='images .*seed 0, now 1'):
        wrapped(**PROMISE).fit(small_loader(IMAGES, LABELS), seed=1, **fit)


def test_the_network_never_changes():
    network = small_network()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    fitted(network=network, heads=FLOW, fit=dict(iterations=3, **QUIET), **PROMISE)
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())


def test_arrays_hold_what_tensors_do():
    result = fitted(**PROMISE).predict(IMAGES)
    arrays = result.numpy()
    assert np.array_equal(arrays.labels, result.labels) and isinstance(arrays.uncertainty['msp'], np.ndarray)
    assert np.allclose(arrays.probabilities, result.probabilities)
    assert np.array_equal(arrays.set_size, result.set_size) and len(arrays) == 12


def test_what_is_not_fitted_says_so(tmp_path):
    model = wrapped(heads=['msp', 'sml'], **PROMISE)
    for call in (lambda: model.predict(IMAGES), lambda: model.save(tmp_path / 'x.pth')):
        with pytest.raises(RuntimeError, match='calibrator, uncertainty_heads.sml, set_head must be fitted first'):
            call()
    with pytest.raises(ValueError, match='None of the heads msp has to be fitted'):
        wrapped().fit(small_loader(IMAGES, LABELS))


@pytest.mark.parametrize('share, message', [(1.0, 'strictly between 0 and 1'), (0.01, 'leaves 0 for what a promise reads and 12')])
def test_calibrator_and_sets_share_no_image(share, message):
    with pytest.raises(ValueError, match=message):
        wrapped(**PROMISE).fit(small_loader(IMAGES, LABELS), calibrator_share=share, **QUIET)


def test_a_loss_that_is_not_finite_stops(monkeypatch):
    model = wrapped(heads=FLOW)
    monkeypatch.setattr(model.posthoc.uncertainty_heads['fedu'], 'loss', lambda *_: dict(loss=torch.tensor(torch.nan)))
    with pytest.raises(FloatingPointError, match='loss of fedu is nan in iteration 0.*learning_rate'):
        model.fit(small_loader(IMAGES, LABELS), **QUIET)


@pytest.mark.parametrize('head', [*FLOW, 'mahalanobis'])
def test_nothing_is_fitted_on_void_alone(head):
    with pytest.raises(ValueError, match='no .* label'):
        wrapped(heads=[head]).fit([(IMAGES, torch.full_like(LABELS, 255))], iterations=2, **QUIET)


def test_sets_follow_images_without_labels_and_then_others(tmp_path):
    options = dict(sets=dict(alpha=0.3, method='weighted', weights='crossed', folds=3))
    fit = dict(QUIET, target_images=[IMAGES[:8]])
    images, labels = small_images(24)
    model = wrapped(**options).fit(small_loader(images, labels), **fit)
    first = model.predict(images[:4]).prediction_set
    model.save(tmp_path / 'model.pth')
    loaded = mmseg_uncertainty.load(tmp_path / 'model.pth', small_network())
    assert torch.equal(loaded.predict(images[:4]).prediction_set, first)
    far = 3 * IMAGES + 5
    assert not first.all() and loaded.adapt([(far, None)]).predict(far).prediction_set.all()
    fresh = wrapped(**options).fit(small_loader(images, labels), **dict(fit, target_images=[dict(images=far)]))
    assert torch.equal(loaded.predict(far).prediction_set, fresh.predict(far).prediction_set)
    again = dict(QUIET, resume=tmp_path / 'fit')
    with pytest.raises(KeyboardInterrupt):
        wrapped(**options).fit(small_loader(images, labels), target_images=Interrupted([IMAGES[:8]], 0), **again)
    gone_on, rest = wrapped(**options), Interrupted(small_loader(images, labels), 1000)
    gone_on.fit(rest, target_images=[far], **again)
    assert torch.equal(gone_on.predict(far).prediction_set, fresh.predict(far).prediction_set)
    assert 1000 - rest.left == 6  # listed, and not read again
    with pytest.raises(ValueError, match='fit.loader, target_images='):
        wrapped(**options).fit(small_loader(images, labels), **QUIET)
    with pytest.raises(ValueError, match='nothing in the model follows them'):
        wrapped(sets=dict(alpha=0.3)).fit(small_loader(images, labels), **fit)
    with pytest.raises(TypeError, match='expected images under one of'):
        model.adapt([dict(labels=labels)])
