"""Networks of torchvision."""
import pytest
import torch
from mmseg.registry import MODELS
from torch.testing import assert_close

from mmseg_uncertainty.models.bases import TorchvisionBase, base_of
from tests.outside import CLASSES

LAST = dict(deeplabv3_mobilenet_v3_large='classifier.4', fcn_resnet50='classifier.4', lraspp_mobilenet_v3_large=None)


@pytest.fixture
def built(torchvision, offline):
    """Builds a base by the name of the network."""
    def build(name, **options):
        return MODELS.build(dict(type='TorchvisionBase', network=name, **{'num_classes': CLASSES, **options}))

    return build


@pytest.mark.parametrize('name', LAST)
def test_scores_are_the_output_of_the_network(built, name):
    base, inputs = built(name), torch.randn(2, 3, 65, 97)
    passed = base(inputs, [{}, {}])
    with torch.no_grad():
        expected = base.network(inputs)['out']
    assert torch.equal(passed.scores, expected) and not base.has_weights
    assert base.features_from == LAST[name]


@pytest.mark.parametrize('name', [name for name, last in LAST.items() if last])
def test_features_are_the_input_of_the_last_convolution(built, name):
    base, inputs = built(name), torch.randn(1, 3, 64, 96)
    passed = base(inputs, [{}])
    assert_close(base.classifier(passed.features), passed.native)
    assert torch.equal(base.at_input_size(passed.native, (64, 96), []), passed.scores)


def test_two_classifiers_yield_no_features(built):
    passed = built('lraspp_mobilenet_v3_large')(torch.randn(1, 3, 64, 96), [{}])
    assert passed.features is None and passed.native is None


def test_dropout_before_the_classifier_is_known(built):
    assert built('fcn_resnet50').dropout_ratio == 0.1 and built('deeplabv3_mobilenet_v3_large').dropout_ratio == 0


def test_the_classes_of_published_weights_are_the_default(built):
    base = built('fcn_resnet50', num_classes=None)
    assert len(base.classes) == base.num_classes == 21 and base.classes[15] == 'person'
    assert built('fcn_resnet50', num_classes=None, classes=['road', 'car']).num_classes == 2


def test_published_files_hold_a_head_for_training_too(built, torchvision, tmp_path):
    network = torchvision.models.get_model('fcn_resnet50', weights=None, weights_backbone=None, num_classes=CLASSES,
                                           aux_loss=True)
    torch.save(network.state_dict(), tmp_path / 'fcn.pth')
    base = built('fcn_resnet50', weights=str(tmp_path / 'fcn.pth'))
    inputs = torch.randn(1, 3, 64, 64)
    assert base.has_weights
    assert torch.equal(base(inputs, [{}]).scores, base_of(network)(inputs, [{}]).scores)


def test_a_network_in_hand_needs_nothing_else(torchvision):
    base = base_of(torchvision.models.get_model('fcn_resnet50', weights=None, weights_backbone=None, num_classes=3))
    assert type(base) is TorchvisionBase and base.has_weights and base.num_classes == 3
    assert base.preprocessor()['mean'] == [123.675, 116.28, 103.53]


def test_one_class_is_one_sigmoid_channel(built):
    base = built('lraspp_mobilenet_v3_large', num_classes=1)
    assert (base.num_classes, base.out_channels, base.distribution.name) == (2, 1, 'sigmoid')


@pytest.mark.parametrize('argument', ['weights', 'weights_backbone'])
def test_pretrained_weights_are_not_fetched(built, argument):
    with pytest.raises(ValueError, match=f"{argument}='DEFAULT' would be fetched"):
        built('fcn_resnet50', arguments={argument: 'DEFAULT'})


def test_an_unknown_builder_is_refused_with_those_that_are_known(built):
    with pytest.raises(ValueError, match='resnet50.*choose from.*fcn_resnet50'):
        built('resnet50')
