"""Networks of segmentation_models_pytorch."""
import pytest
import torch
from mmseg.registry import MODELS
from torch.testing import assert_close

from mmseg_uncertainty.models.bases import SegmentationModelsBase, base_of, smp_base
from tests.outside import CLASSES

SIZES = dict(dpt=(224, 224), pan=(128, 128))
ENCODERS = dict(dpt='tu-vit_tiny_patch16_224', segformer='mit_b0')
ARCHITECTURES = ['deeplabv3', 'deeplabv3plus', 'dpt', 'fpn', 'linknet', 'manet', 'pan', 'pspnet', 'segformer', 'unet',
                 'unetplusplus', 'upernet']


@pytest.fixture
def built(smp, offline):
    """Builds a base by the name of the architecture."""
    def build(name='unet', encoder=None, classes=CLASSES, **options):
        arguments = dict(encoder_name=encoder or ENCODERS.get(name, 'resnet18'), **options.pop('arguments', {}))
        return MODELS.build(dict(
            type='SegmentationModelsBase', network=name, num_classes=classes, arguments=arguments, **options))

    return build


def test_all_architectures_are_tried(smp):
    assert sorted(smp.MODEL_ARCHITECTURES_MAPPING) == ARCHITECTURES


@pytest.mark.parametrize('name', ARCHITECTURES)
def test_maps_are_those_of_the_network(built, name):
    size = SIZES.get(name, (64, 96))
    base, inputs = built(name), torch.randn(1, 3, *size)
    passed = base(inputs, [{}])
    with torch.no_grad():
        assert torch.equal(passed.scores, base.network(inputs))
    assert_close(base.classifier(passed.features), passed.native)
    assert_close(base.at_input_size(passed.native, size, []), passed.scores)


def test_inputs_are_padded_to_what_the_encoder_needs(built):
    assert built('fpn').size_divisor == 32 and built('deeplabv3plus').size_divisor == 16 and built('unet').size_divisor == 1
    sizes = {built(name).preprocessor().get('test_cfg', {}).get('size_divisor') for name in ('fpn', 'unet')}
    assert sizes == {32, None}


def test_a_second_head_is_left_alone(built):
    base, inputs = built('unet', arguments=dict(aux_params=dict(classes=3))), torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        masks, _ = base.network(inputs)
    assert torch.equal(base(inputs, [{}]).scores, masks)


def test_one_class_is_one_sigmoid_channel(built):
    base = built('unet', classes=1)
    assert (base.num_classes, base.out_channels, base.distribution.name) == (2, 1, 'sigmoid')


@pytest.mark.parametrize(('name', 'activation', 'shown'), [
    ('unet', 'softmax2d', 'Softmax'), ('fpn', 'sigmoid', 'Sigmoid'), ('dpt', 'sigmoid', 'Sigmoid')])
def test_an_activation_at_the_end_is_refused(built, name, activation, shown):
    with pytest.raises(ValueError, match=f'ends in {shown}.*activation=None'):
        built(name, arguments=dict(activation=activation))


def test_dropout_before_the_classifier_is_known(built):
    assert built('fpn').dropout_ratio == 0.2 and built('unet').dropout_ratio == 0 and built('dpt').dropout_ratio == 0.1


def test_normalization_is_that_of_the_encoder_where_it_is_known(built, smp):
    base = built('dpt')
    known = smp.encoders.get_preprocessing_params('tu-vit_tiny_patch16_224')
    assert_close(torch.tensor(base.mean), 255 * torch.tensor(known['mean']))
    assert built('unet', mean=[1., 2., 3.], std=[4., 5., 6.]).mean == [1., 2., 3.]
    assert built('unet').mean == [123.675, 116.28, 103.53]


def test_a_folder_gives_the_same_network(built, tmp_path):
    base = built('fpn')
    base.network.save_pretrained(str(tmp_path))
    again, inputs = SegmentationModelsBase(path=str(tmp_path)), torch.randn(1, 3, 64, 64)
    assert again.has_weights and again.num_classes == CLASSES
    assert torch.equal(again(inputs, [{}]).scores, base(inputs, [{}]).scores)


def test_a_network_in_hand_needs_nothing_else(smp):
    base = base_of(smp.Unet('resnet18', encoder_weights=None, classes=3))
    assert type(base) is SegmentationModelsBase and base.has_weights and base.num_classes == 3


def test_pretrained_weights_are_not_fetched(built):
    with pytest.raises(ValueError, match="encoder_weights='imagenet' would be fetched"):
        built('unet', arguments=dict(encoder_weights='imagenet'))


def test_what_is_missing_or_unknown_is_named(smp):
    with pytest.raises(ValueError, match='choose from'):
        SegmentationModelsBase('vnet', num_classes=3)
    with pytest.raises(ValueError, match='how many classes'):
        SegmentationModelsBase('unet')
    with pytest.raises(ValueError, match='no config.json'):
        SegmentationModelsBase(path='nowhere')


@pytest.mark.parametrize(('known', 'scale'), [({}, 255), (dict(input_range=None), 255), (dict(input_range=[0, 1]), 255),
                                              (dict(input_range=[0, 255]), 1)])
def test_means_are_brought_to_the_range_of_images(monkeypatch, known, scale):
    monkeypatch.setattr(smp_base, '_settings', lambda encoder: dict(mean=[0.5], std=[0.25], **known))
    assert smp_base.normalization('any') == dict(mean=[0.5 * scale], std=[0.25 * scale], channel_order='rgb')
