"""What is wrapped is saved and loaded, and what cannot be wrapped or loaded is named."""
import pytest
import torch
from torch import nn

import mmseg_uncertainty
from mmseg_uncertainty.engine.checkpoints import CheckpointError
from mmseg_uncertainty.models.bases import TorchBase
from tests.test_plain.small_networks import CLASSES, FLOW, small_images, small_network

IMAGES, LABELS = small_images(12)
PROMISE = dict(calibrator='temperature', sets=dict(alpha=0.25))
QUIET = dict(progress=False)


def wrapped(network=None, **options):
    return mmseg_uncertainty.wrap(network or small_network(), **dict(classes=CLASSES, features_from='2') | options)


def fitted(fit=QUIET, **options):
    return wrapped(**options).fit([(IMAGES, LABELS)], **fit)


def test_what_is_saved_is_loaded(tmp_path):
    model = fitted(heads=['msp', 'sml', 'mcd', 'vim', *FLOW], fit=dict(iterations=2, **QUIET), **PROMISE)
    model.save(tmp_path / 'fitted.pth')
    other = mmseg_uncertainty.load(tmp_path / 'fitted.pth', small_network())
    first, second = model.predict(IMAGES), other.predict(IMAGES)
    assert other.classes == tuple(CLASSES) and other.fitted_on['images'] == 12
    assert all(torch.equal(values, second.uncertainty[name]) for name, values in first.uncertainty.items())
    assert torch.equal(first.prediction_set, second.prediction_set)
    assert torch.equal(first.probabilities, second.probabilities)


def test_a_file_holds_tensors_and_plain_values_and_no_network(tmp_path):
    fitted(**PROMISE).save(tmp_path / 'fitted.pth')
    content = torch.load(tmp_path / 'fitted.pth', weights_only=True)
    assert all(key.startswith(('calibrator.', 'set_head.')) for key in content['state_dict'])
    fitted(**PROMISE).save(tmp_path / 'all.pth', with_base=True)
    assert {'0.weight', '2.bias'} < set(torch.load(tmp_path / 'all.pth', weights_only=True)['state_dict'])
    assert mmseg_uncertainty.load(tmp_path / 'all.pth', small_network()).predict(IMAGES).prediction_set is not None


def test_another_network_is_refused(tmp_path):
    fitted(**PROMISE).save(tmp_path / 'fitted.pth')
    with pytest.raises(CheckpointError, match='was fitted on the network .* fit again'):
        mmseg_uncertainty.load(tmp_path / 'fitted.pth', small_network(seed=1))
    torch.save(dict(state_dict={}), tmp_path / 'other.pth')
    with pytest.raises(CheckpointError, match='was not written by UncertaintyModel.save'):
        mmseg_uncertainty.load(tmp_path / 'other.pth', small_network())
    with pytest.raises(FileNotFoundError, match='make it first'):
        fitted(**PROMISE).save(tmp_path / 'nowhere/fitted.pth')


class Nested(nn.Module):
    """Returns a dict, as networks of many libraries do."""

    def __init__(self):
        super().__init__()
        self.inner = small_network()

    def forward(self, images):
        return dict(out=self.inner(images))


def test_functions_are_given_again(tmp_path):
    options = dict(features_from='inner.2', logits_from=lambda output: output['out'])
    fitted(network=Nested(), **options, **PROMISE).save(tmp_path / 'fitted.pth')
    with pytest.raises(CheckpointError, match='logits_from was a function'):
        mmseg_uncertainty.load(tmp_path / 'fitted.pth', Nested())
    model = mmseg_uncertainty.load(tmp_path / 'fitted.pth', Nested(), logits_from='out')
    assert torch.equal(model.predict(IMAGES).logits, wrapped().predict(IMAGES).logits)


def test_a_base_is_held_as_it_is(tmp_path):
    base = TorchBase(small_network(), classes=CLASSES)
    model = mmseg_uncertainty.wrap(base, **PROMISE).fit([(IMAGES, LABELS)], **QUIET)
    assert model.posthoc.base is base
    model.save(tmp_path / 'fitted.pth')
    again = mmseg_uncertainty.load(tmp_path / 'fitted.pth', TorchBase(small_network(), classes=CLASSES))
    assert torch.equal(again.predict(IMAGES).prediction_set, model.predict(IMAGES).prediction_set)
    with pytest.raises(TypeError, match="TorchBase is a base already.*'classes'"):
        mmseg_uncertainty.wrap(base, classes=CLASSES)


@pytest.mark.parametrize('options, error, message', [
    (dict(heads=['msp', 'fedc'], features_from=None), ValueError, "fedc read the input of the last layer.*features_from"),
    (dict(heads=['mahalanobis'], features_from=None), TypeError, 'features_from'),
    (dict(classes=None), ValueError, 'say how many classes'),
    (dict(classes=list(map(str, range(255)))), ValueError, '255 classes, and at most 254'),
])
def test_what_cannot_be_wrapped_is_named(options, error, message):
    with pytest.raises(error, match=message):
        wrapped(**options)


def test_a_decision_sees_no_image_that_its_score_learned_from(monkeypatch):
    from mmseg_uncertainty.models.decisions import FlagThreshold
    from mmseg_uncertainty.plain.gradient_fit import GradientFit
    network = torch.nn.Conv2d(3, 3, kernel_size=1)
    images = torch.rand(24, 3, 8, 9, generator=torch.Generator().manual_seed(0))
    labels = network(images).argmax(dim=1)
    labels[:, :2], labels[:, 7] = 0, 7
    seen, decided = set(), set()
    step, update = GradientFit._loss, FlagThreshold.update
    monkeypatch.setattr(GradientFit, '_loss', lambda self, batch: seen.update(one.key() for one in batch) or step(self, batch))
    monkeypatch.setattr(FlagThreshold, 'update', lambda self, outputs, truth, metas: decided.update(
        meta['img_path'] for meta in metas) or update(self, outputs, truth, metas))
    model = mmseg_uncertainty.wrap(network, num_classes=3, heads=['fedu'], ignore_index=7, decisions=dict(
        flagged=dict(head='fedu', alpha=0.2)))
    model.fit([(images[index:index + 4], labels[index:index + 4]) for index in range(0, 24, 4)], iterations=12)
    assert len(decided) == 17 and 0 < len(seen) <= 7 and not seen & decided
    assert model.predict(images).flags['flagged'].any()


def test_decisions_are_fitted_saved_and_loaded(tmp_path):
    network = torch.nn.Conv2d(3, 3, kernel_size=1)
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(30, 3, 8, 9, generator=generator)
    labels = network(images).argmax(dim=1)
    labels[torch.rand(labels.shape, generator=generator) < 0.2] = 0
    options = dict(num_classes=3, heads=['msp'],
                   decisions=dict(flagged=dict(head='msp', promise='false_alarms', alpha=0.1)))
    batches = [(images[index:index + 5], labels[index:index + 5]) for index in range(0, 30, 5)]
    model = mmseg_uncertainty.wrap(network, **options).fit(batches)
    result = model.predict(images)
    threshold = float(model.posthoc.decisions.flagged.threshold)
    assert torch.equal(result.flags['flagged'], result.uncertainty['msp'] > threshold) and result.flags['flagged'].any()
    model.save(tmp_path / 'model.pth')
    loaded = mmseg_uncertainty.load(tmp_path / 'model.pth', network)
    assert torch.equal(loaded.predict(images).flags['flagged'], result.flags['flagged'])
    assert loaded.predict(images).numpy().flags['flagged'].shape == (30, 8, 9)
