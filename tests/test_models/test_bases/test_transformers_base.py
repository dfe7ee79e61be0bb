"""Networks of transformers: predictions are those of the family's own post-processing."""
import copy
import json
import logging

import pytest
import torch
from mmengine.config import ConfigDict
from mmseg.registry import MODELS
from torch.testing import assert_close

from mmseg_uncertainty.apis import load_posthoc
from mmseg_uncertainty.models.bases import TransformersBase, base_of
from mmseg_uncertainty.models.bases.transformers_files import ImagePreparation, read_preparation
from tests.outside import (BY_MASKS, CLASSES, TASK_TOKENS, TRANSFORMERS, balanced, shaken, transformers_config,
                           transformers_network)
from tests.tiny import tiny_posthoc

transformers = pytest.importorskip('transformers', reason='pip install "mmseg_uncertainty[transformers]"')

FEATURES = dict(
    Segformer='decode_head.classifier', UperNet='decode_head.classifier', Beit='decode_head.classifier',
    Data2VecVision='decode_head.classifier', DPT='head.head.4', MobileViT='segmentation_head.classifier.convolution',
    MobileViTV2='segmentation_head.classifier.convolution', MobileNetV2='segmentation_head.classifier.convolution')
PROCESSORS = dict(UperNet='Segformer', Data2VecVision='Beit', MobileViTV2='MobileViT')
TASK = dict(OneFormer=dict(task_inputs=TASK_TOKENS))


def base_of_family(family, inputs=None, **options):
    network = transformers_network(family)
    if inputs is not None and family in FEATURES:
        balanced(network, network.get_submodule(FEATURES[family]), inputs)
    return base_of(network, **TASK.get(family, {}), **options)


def processor_class(family):
    """The image processor without torchvision, which got a name of its own during transformers 5."""
    return getattr(transformers, f'{family}ImageProcessorPil', None) or getattr(transformers, f'{family}ImageProcessor')


def own_prediction(family, network, inputs, size):
    """Classes by the post-processing that the family's image processor has."""
    task = dict(task_inputs=torch.tensor([TASK_TOKENS] * len(inputs))) if family == 'OneFormer' else {}
    with torch.no_grad():
        output = network(inputs, **task)
    kind = processor_class(PROCESSORS.get(family, family))
    # Early transformers 5 make no processor of OneFormer without names of classes, which its post-processing does not read.
    processor = kind.__new__(kind) if family == 'OneFormer' else kind()
    sized = dict(size=dict(shortest_edge=inputs.shape[2], longest_edge=inputs.shape[3])) if family == 'Eomt' else {}
    return torch.stack(processor.post_process_semantic_segmentation(output, target_sizes=[size] * len(inputs), **sized))


@pytest.mark.parametrize('family', TRANSFORMERS)
def test_the_prediction_is_that_of_the_family(family):
    inputs = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    base = base_of_family(family, inputs)
    predicted = base.distribution.predict(base(inputs, [{}, {}]).scores)
    expected = own_prediction(family, base.network, inputs, (64, 64))
    assert type(base) is TransformersBase
    assert len(expected.unique()) > 1
    assert torch.equal(predicted, expected)


@pytest.mark.parametrize('family', FEATURES)
def test_features_are_the_input_of_the_classifier(family):
    base, inputs = base_of_family(family), torch.randn(2, 3, 64, 64)
    passed = base(inputs, [{}, {}])
    assert base.features_from == FEATURES[family]
    assert passed.features.shape[1] == base.feature_channels
    assert_close(base.classifier(passed.features), passed.native)
    assert_close(base.at_input_size(passed.native, (64, 64), []), passed.scores)


@pytest.mark.parametrize('family', BY_MASKS)
def test_masks_have_no_features_and_a_mass_per_class(family):
    base = base_of_family(family)
    passed = base(torch.randn(1, 3, 64, 64), [{}])
    assert base.features_from is None and passed.features is None and base.distribution.name == 'mask mass'
    assert passed.scores.shape == (1, CLASSES, 64, 64) and passed.scores.min() >= 0 and passed.scores.max() <= 7


def test_masks_can_be_added_up_at_the_size_of_the_input():
    network, inputs = transformers_network('Mask2Former'), torch.randn(1, 3, 64, 64)
    own, at_input = base_of(network), base_of(network, mask_size='input')
    with torch.no_grad():
        output = network(inputs)
    masks = torch.nn.functional.interpolate(output.masks_queries_logits, (64, 64), mode='bilinear').sigmoid()
    expected = (output.class_queries_logits.softmax(-1)[..., :-1, None, None] * masks.unsqueeze(2)).sum(dim=1)
    assert_close(at_input(inputs, [{}]).scores, expected)
    assert not torch.equal(own(inputs, [{}]).scores, expected)


@pytest.mark.parametrize('family', ['Segformer', 'Beit', 'Mask2Former'])
def test_a_file_of_the_folder_fills_the_network(family, tmp_path, offline):
    """Files name tensors otherwise than the network does."""
    network, inputs = transformers_network(family), torch.randn(1, 3, 64, 64)
    network.save_pretrained(tmp_path)
    expected = base_of(network)(inputs, [{}]).scores
    config = transformers_config(family)
    by_weights = TransformersBase(config, weights=str(tmp_path / 'model.safetensors'))
    assert by_weights.has_weights
    assert_close(by_weights(inputs, [{}]).scores, expected)
    empty = dict(model=dict(type='PosthocSegmentor', base=dict(type='TransformersBase', network=config.to_dict())))
    assert_close(load_posthoc(ConfigDict(empty), tmp_path).base(inputs, [{}]).scores, expected)


@pytest.mark.parametrize('family', ['Segformer', 'UperNet', 'MaskFormer'])
def test_a_folder_gives_the_same_network(family, tmp_path, offline):
    network = transformers_network(family, id2label=dict(enumerate('abcde')))
    network.save_pretrained(tmp_path)
    base = MODELS.build(dict(type='TransformersBase', path=str(tmp_path)))
    inputs = torch.randn(1, 3, 64, 64)
    assert base.has_weights and base.classes == list('abcde')
    assert_close(base(inputs, [{}]).scores, base_of(network)(inputs, [{}]).scores)


def test_a_config_alone_has_no_weights():
    config = transformers_config('Segformer').to_dict()
    assert not TransformersBase(config).has_weights and not TransformersBase(transformers_config('Segformer')).has_weights


def test_a_folder_of_a_backbone_is_refused(tmp_path):
    transformers_network('Segformer').segformer.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match='does not hold .* tensors of SegformerForSemanticSegmentation'):
        TransformersBase(path=str(tmp_path))


@pytest.mark.parametrize('name', ['nowhere', 'nvidia/segformer-b0-finetuned-ade-512-512'])
def test_what_is_no_folder_is_not_fetched(name, offline):
    with pytest.raises(ValueError, match='has no config.json'):
        TransformersBase(path=name)


def test_code_of_a_folder_is_not_run(tmp_path):
    (tmp_path / 'config.json').write_text(json.dumps(dict(
        model_type='own', auto_map=dict(AutoConfig='own.OwnConfig', AutoModelForSemanticSegmentation='own.Own'))))
    (tmp_path / 'own.py').write_text('open("ran", "w")\nclass OwnConfig: pass')
    with pytest.raises(ValueError):
        TransformersBase(path=str(tmp_path))
    assert not list(tmp_path.glob('**/ran'))


def test_a_network_for_something_else_is_refused():
    with pytest.raises(TypeError, match='SegformerForImageClassification is no network for segmentation'):
        base_of(transformers.SegformerForImageClassification(transformers_config('Segformer')))


def test_one_label_is_one_sigmoid_channel():
    base = base_of(transformers_network('Segformer', num_labels=1, id2label={0: 'person'}))
    assert (base.num_classes, base.out_channels, base.classes) == (2, 1, ['background', 'person'])
    assert base.distribution.name == 'sigmoid' and base.distribution.threshold == 0.5


def test_the_config_names_ignored_label_and_dropout():
    base = base_of(transformers_network('Segformer', semantic_loss_ignore_index=254, classifier_dropout_prob=0.25))
    assert (base.ignore_index, base.dropout_ratio) == (254, 0.25)
    assert base_of(transformers_network('UperNet', loss_ignore_index=7)).ignore_index == 7
    assert base_of(transformers_network('Segformer'), ignore_index=3).ignore_index == 3


@pytest.mark.parametrize('family', ['Segformer', 'Beit', 'MobileViT'])
def test_images_are_prepared_as_the_processor_does_it(family, tmp_path):
    processor = processor_class(family)(do_resize=False, do_center_crop=False)
    processor.save_pretrained(tmp_path)
    transformers_network(family).save_pretrained(tmp_path)
    base = TransformersBase(path=str(tmp_path))
    image = torch.randint(0, 256, (3, 64, 64), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    expected = processor(images=image.permute(1, 2, 0).numpy(), return_tensors='pt')['pixel_values']
    found = MODELS.build(base.preprocessor())(dict(inputs=[image.flip(0)], data_samples=[sample(image)]))['inputs']
    assert_close(found, expected, atol=1e-5, rtol=0)


def test_the_family_decides_where_no_file_does():
    processor = processor_class('Beit')()
    base = base_of(transformers_network('Beit'))
    assert_close(torch.tensor(base.mean), 255 * torch.tensor(processor.image_mean))
    assert ImagePreparation.of(dict(do_rescale=False, image_mean=3., image_std=[1., 2., 3.])).mean == [3.] * 3


def test_reduced_labels_and_sizes_are_told(tmp_path, caplog):
    processor_class('Segformer')(do_reduce_labels=True).save_pretrained(tmp_path)
    transformers_network('Segformer').save_pretrained(tmp_path)
    told = []
    handler = logging.Handler()
    handler.emit = lambda record: told.append(record.getMessage())
    from mmengine.logging import MMLogger
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    try:
        base = TransformersBase(path=str(tmp_path))
    finally:
        logger.removeHandler(handler)
    assert base.preparation.reduces_labels and base.preparation.size == dict(height=512, width=512)
    assert any('reduce_zero_label=True' in line for line in told) and any('Resize' in line for line in told)


def test_a_size_that_the_network_does_not_take_is_named():
    base = base_of_family('Eomt')
    with pytest.raises(ValueError, match=r'does not take inputs of \(64, 96\) pixels.*crop_size=\(64, 64\)'):
        base(torch.randn(1, 3, 64, 96), [{}])


def test_oneformer_asks_for_its_task():
    with pytest.raises(ValueError, match='task_inputs'):
        base_of(transformers_network('OneFormer'))


def test_the_same_segformer_in_mmseg_scores_the_same():
    """Weights of mmseg's SegFormer under the names of transformers."""
    heads = dict(msp=dict(type='MSPHead'), energy=dict(type='EnergyHead'), entropy=dict(type='EntropyHead'),
                 mc=dict(type='MCDropoutHead', resolution='native'))
    torch.manual_seed(0)
    own = MODELS.build(tiny_posthoc(heads)).eval()
    shaken(own.base.network)
    for convolution in own.base.network.decode_head.convs:
        convolution.bn.bias.data += 10
    config = transformers_config('Segformer', mlp_ratios=[4] * 4, classifier_dropout_prob=0.2)
    other = MODELS.build(dict(type='PosthocSegmentor', base=TransformersBase(config), uncertainty_heads=copy.deepcopy(heads),
                              data_preprocessor=tiny_posthoc({})['data_preprocessor'])).eval()
    if 'segformer.encoder.layer_norm.0.weight' in other.base.network.state_dict():
        pytest.skip('early transformers 5 names the weights of SegFormer otherwise')
    other.base.network.load_state_dict(renamed(own.base.network.state_dict()))
    image = torch.randint(0, 256, (3, 61, 90), generator=torch.Generator().manual_seed(2)).to(torch.uint8)
    results = [model.test_step(dict(inputs=[image], data_samples=[sample(image)]))[0] for model in (own, other)]
    assert torch.equal(*(result.pred_sem_seg.data for result in results))
    for name in heads:
        mine, theirs = (getattr(result.uncertainty, name).double() for result in results)
        assert mine.std() > 1e-3
        assert_close(mine, theirs, atol=1e-5, rtol=1e-5)


def sample(image):
    from mmseg.structures import SegDataSample
    size = tuple(image.shape[1:])
    return SegDataSample(metainfo=dict(ori_shape=size, img_shape=size, pad_shape=size))


def renamed(state):
    """Weights of mmseg's SegFormer as transformers names them.

    mmseg's head normalizes and rectifies the maps of every stage before it joins them. Where they are positive, which the
    test sees to, that is a linear map, which is what transformers has; the order in which stages are joined is the other way
    round.
    """
    found = {}
    for key, value in state.items():
        parts = key.split('.')
        if parts[0] == 'backbone':
            found.update(_encoder(parts[2], parts[3], parts[4:], value))
    for stage in range(4):
        found.update(_projection(state, f'decode_head.convs.{stage}', f'decode_head.linear_projections.{stage}.proj'))
    joined = state['decode_head.fusion_conv.conv.weight'].chunk(4, dim=1)
    found['decode_head.linear_fuse.weight'] = torch.cat(joined[::-1], dim=1)
    for name in ('weight', 'bias', 'running_mean', 'running_var', 'num_batches_tracked'):
        found[f'decode_head.batch_norm.{name}'] = state[f'decode_head.fusion_conv.bn.{name}']
    for name in ('weight', 'bias'):
        found[f'decode_head.classifier.{name}'] = state[f'decode_head.conv_seg.{name}']
    return found


def _projection(state, convolution, linear):
    norm = {name: state[f'{convolution}.bn.{name}'] for name in ('weight', 'bias', 'running_mean', 'running_var')}
    scale = norm['weight'] / (norm['running_var'] + 1e-5).sqrt()
    return {f'{linear}.weight': scale[:, None] * state[f'{convolution}.conv.weight'].flatten(1),
            f'{linear}.bias': norm['bias'] - scale * norm['running_mean']}


BLOCK = {'norm1': 'layernorm_before', 'norm2': 'layernorm_after', 'attn.attn.out_proj': 'attention.o_proj',
         'attn.sr': 'attention.sequence_reduction.sequence_reduction', 'attn.norm': 'attention.sequence_reduction.layer_norm',
         'ffn.layers.0': 'mlp.fc1', 'ffn.layers.1': 'mlp.dwconv.dwconv', 'ffn.layers.4': 'mlp.fc2'}


def _encoder(stage, part, rest, value):
    place, name = f'segformer.stages.{stage}', rest[-1]
    if part == '0':
        layer = dict(projection='proj', norm='layer_norm')[rest[0]]
        return {f'{place}.patch_embeddings.{layer}.{name}': value}
    if part == '2':
        return {f'{place}.layer_norm.{rest[0]}': value}
    block, layer = f'{place}.blocks.{rest[0]}', '.'.join(rest[1:-1])
    if name.startswith('in_proj_'):
        return {f'{block}.attention.{which}_proj.{name[8:]}': third for which, third in zip('qkv', value.chunk(3))}
    if layer in ('ffn.layers.0', 'ffn.layers.4') and name == 'weight':
        value = value.flatten(1)
    return {f'{block}.{BLOCK[layer]}.{name}': value}


@pytest.mark.parametrize(('settings', 'mean'), [
    (dict(image_mean=[0.1] * 3), 25.5), (dict(do_normalize=False), 0.), (dict(image_processor=dict(image_mean=[0.2] * 3)), 51.)])
def test_a_file_counts_where_it_says_how_images_are_prepared(settings, mean, tmp_path):
    path = tmp_path / 'preprocessor_config.json'
    path.write_text(json.dumps(settings))
    found = read_preparation(tmp_path, 'Segformer')
    assert found.source == path and found.mean == pytest.approx([mean] * 3)
    path.write_text(json.dumps(dict(feature_size=3)))
    assert read_preparation(tmp_path, 'Segformer') == ImagePreparation.of({}, 'Segformer')
