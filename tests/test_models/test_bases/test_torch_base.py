"""Any network of PyTorch."""
from collections import namedtuple

import pytest
import torch
from mmseg.registry import MODELS
from torch import nn
from torch.nn import functional as F
from torch.testing import assert_close

from mmseg_uncertainty.models.bases import TorchBase, base_of
from mmseg_uncertainty.models.bases.presets import preset_of
from tests.outside import CLASSES, Plain, shaken

Output = namedtuple('Output', ['loss', 'logits'])


class Wrapped(Plain):
    """Returns its logits inside of something."""

    def __init__(self, wrap, **options):
        super().__init__(**options)
        self.wrap = wrap

    def forward(self, images):
        return self.wrap(super().forward(images))


@pytest.mark.parametrize(('wrap', 'place'), [
    (lambda logits: logits, None),
    (lambda logits: dict(out=logits, aux=None), 'out'),
    (lambda logits: Output(None, logits), 'logits'),
    (lambda logits: (None, logits), 1),
    (lambda logits: [[logits]], lambda output: output[0][0]),
])
def test_logits_are_where_they_are_said_to_be(wrap, place):
    network, inputs = shaken(Wrapped(wrap)), torch.randn(2, 3, 61, 90)
    passed = TorchBase(network, CLASSES, logits_from=place, features_from='classifier')(inputs, [{}, {}])
    with torch.no_grad():
        features = network.stem(inputs)
    assert_close(passed.features, features)
    assert_close(passed.native, network.classifier(features))
    assert_close(passed.scores, F.interpolate(passed.native, size=(61, 90), mode='bilinear'))


def test_a_place_without_logits_is_named():
    base = TorchBase(Wrapped(lambda logits: dict(out=logits, aux=None)), CLASSES, logits_from='logits')
    with pytest.raises(TypeError, match=r"logits_from='logits'.*\['out', 'aux'\]"):
        base(torch.randn(1, 3, 64, 64), [{}])


@pytest.mark.parametrize(('end', 'name'), [
    (nn.Softmax(dim=1), "activation 'end'"), (nn.Sigmoid(), "activation 'end'"),
    (nn.Sequential(nn.Softmax2d(), nn.Upsample(scale_factor=4)), "activation 'end.0'")])
def test_probabilities_are_refused_with_what_makes_them(end, name):
    base = TorchBase(shaken(Plain(end=end)), CLASSES)
    for _ in range(2):
        with pytest.raises(ValueError, match=name):
            base(torch.randn(1, 3, 64, 64), [{}])


@pytest.mark.parametrize('make', [lambda logits: logits.softmax(dim=1), torch.sigmoid])
@pytest.mark.parametrize('classes', [1, CLASSES])
def test_calls_of_activations_are_found_too(make, classes):
    class Gate(nn.Sequential):
        """An activation inside, which is not the one at the end."""

    network = shaken(Wrapped(make, classes=classes))
    network.stem.append(Gate(nn.Conv2d(12, 12, 1), nn.Sigmoid()))
    if classes == 1 and make is not torch.sigmoid:
        return
    with pytest.raises(ValueError, match='call of softmax or sigmoid'):
        TorchBase(network, classes)(torch.randn(1, 3, 64, 64), [{}])


def test_small_logits_pass_where_that_is_said():
    network = Wrapped(lambda logits: 0.1 + 0.8 * logits.sigmoid())
    inputs = torch.randn(1, 3, 64, 64)
    with pytest.raises(ValueError, match='check=False'):
        TorchBase(network, CLASSES)(inputs, [{}])
    assert TorchBase(network, CLASSES, check=False)(inputs, [{}]).scores.max() < 1


@pytest.mark.parametrize('end', [nn.LogSoftmax(dim=1), nn.Identity()])
def test_logits_and_log_probabilities_pass(end):
    network = shaken(Plain(end=end))
    inputs = torch.randn(1, 3, 64, 64)
    scores = TorchBase(network, CLASSES)(inputs, [{}]).scores
    assert torch.equal(scores, TorchBase(network, CLASSES, check=False)(inputs, [{}]).scores)
    assert scores.shape[:2] == (1, CLASSES) and scores.isfinite().all()


def test_a_wrong_number_of_classes_is_found():
    with pytest.raises(ValueError, match=r'\(1, 5, 16, 16\), expected \(N, 7, H, W\)'):
        TorchBase(Plain(), 7)(torch.randn(1, 3, 64, 64), [{}])


@pytest.mark.parametrize(('options', 'message'), [
    (dict(), 'how many classes'), (dict(num_classes=3, classes=['road']), 'classes names 1'),
    (dict(num_classes=CLASSES, features_from='clasifier'), 'Did you mean classifier'),
    (dict(num_classes=CLASSES, channel_order='brg'), "choose 'rgb' or 'bgr'"),
    (dict(num_classes=CLASSES, output='probabilities'), 'choose from')])
def test_options_that_cannot_be_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        TorchBase(Plain(), **options)


@pytest.mark.parametrize('order', ['rgb', 'bgr'])
def test_images_are_normalized_in_the_order_of_the_network(order):
    base = TorchBase(Plain(), CLASSES, mean=[1., 2., 3.], std=[4., 5., 6.], channel_order=order, size_divisor=8)
    image = torch.randint(0, 256, (3, 8, 16)).to(torch.uint8)
    prepared = MODELS.build(dict(base.preprocessor(), test_cfg=None))(dict(inputs=[image]))['inputs'][0]
    ordered = (image.flip(0) if order == 'rgb' else image).double()
    expected = (ordered - torch.tensor([1., 2., 3.])[:, None, None]) / torch.tensor([4., 5., 6.])[:, None, None]
    assert_close(prepared.double(), expected, atol=1e-4, rtol=0)
    assert base.preprocessor()['test_cfg'] == dict(size_divisor=8)


def test_a_network_is_built_by_its_dotted_name(tmp_path):
    torch.save(Plain(classes=3, channels=4).state_dict(), tmp_path / 'plain.pth')
    config = dict(type='TorchBase', network='tests.outside.Plain', classes=list('abc'), arguments=dict(classes=3, channels=4))
    empty, filled = MODELS.build(config), MODELS.build(dict(config, weights=str(tmp_path / 'plain.pth')))
    assert (empty.has_weights, filled.has_weights, filled.classes) == (False, True, list('abc'))
    with pytest.raises(ImportError, match='tests.outside.Nothing'):
        MODELS.build(dict(config, network='tests.outside.Nothing'))


def test_a_network_is_built_by_its_file(tmp_path):
    path = tmp_path / 'own.py'
    path.write_text('from torch import nn\n\ndef build(classes):\n    return nn.Conv2d(3, classes, 1)\n')
    base = TorchBase(f'{path}:build', 4, arguments=dict(classes=4))
    assert base(torch.randn(1, 3, 8, 8), [{}]).scores.shape == (1, 4, 8, 8) and not base.has_weights
    for name in (f'{path}:other', f'{tmp_path}/none.py:build'):
        with pytest.raises(ImportError, match='none.py|cannot be imported'):
            TorchBase(name, 4)


def test_weights_of_another_network_are_refused(tmp_path):
    from mmseg_uncertainty.engine.checkpoints import CheckpointError
    torch.save(Plain(channels=8).state_dict(), tmp_path / 'plain.pth')
    with pytest.raises(CheckpointError, match='does not fit Plain'):
        TorchBase(Plain(), CLASSES, weights=str(tmp_path / 'plain.pth'))


def test_what_a_network_is_decides_its_base():
    network = Plain()
    base = base_of(network, num_classes=CLASSES)
    assert type(base) is TorchBase and base.network is network and base_of(base) is base and preset_of(network) is None
    with pytest.raises(TypeError, match='is a base already'):
        base_of(base, num_classes=3)
    with pytest.raises(ValueError, match="preset='timm' is unknown"):
        base_of(network, 'timm')


def test_the_network_stays_as_it_was():
    base = TorchBase(shaken(Plain()), CLASSES)
    before = {name: value.clone() for name, value in base.network.state_dict().items()}
    base.train()
    base(torch.randn(2, 3, 64, 64), [{}, {}])
    assert all(torch.equal(value, before[name]) for name, value in base.network.state_dict().items())
    assert not any(parameter.requires_grad for parameter in base.parameters())
