"""Macro F1, focal loss, U-Net and label colours of the public lab solution."""
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from mmseg_uncertainty.datasets import S3DIS2DDataset
from mmseg_uncertainty.evaluation import MacroF1Metric
from mmseg_uncertainty.functional.class_f1 import class_counts, f1_per_class, macro_f1
from mmseg_uncertainty.functional.class_losses import focal_loss
from mmseg_uncertainty.functional.instance_colors import class_table, decode_colors
from mmseg_uncertainty.models.backbones import LabUNet
from mmseg_uncertainty.runtime.overlays import overlay_classes

FOLDER = Path(os.environ.get('GOLDEN_ROOT', Path(__file__).parents[3] / 'shared' / 'golden')) / 'lab'
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason=f'no golden vectors in {FOLDER}; set GOLDEN_ROOT')


def read(name):
    with np.load(FOLDER / f'{name}.npz', allow_pickle=False) as file:
        return dict(file)


@pytest.fixture(scope='module')
def arrays():
    return read('f1')


def test_counts_and_f1_after_every_batch(arrays):
    classes = arrays['logits'].shape[2]
    total = np.zeros((3, classes), np.int64)
    for index, (logits, target) in enumerate(zip(arrays['logits'], arrays['target'])):
        predictions, labels = torch.from_numpy(logits).argmax(1), torch.from_numpy(target)
        total += class_counts(predictions, labels, classes).numpy()
        np.testing.assert_allclose(f1_per_class(total, 'perfect'), arrays['per_class_cumulative'][index], atol=1e-12)
        assert macro_f1(total, 'perfect') == pytest.approx(arrays['macro_cumulative'][index], abs=1e-12)
    for row, name in zip(total, ('true_positive', 'false_positive', 'false_negative')):
        np.testing.assert_array_equal(row, arrays[name])


def test_the_evaluator_with_the_published_policy(arrays):
    classes = arrays['logits'].shape[2]
    metric = MacroF1Metric('published', resamples=0)
    metric.dataset_meta = dict(classes=tuple(map(str, range(classes))))
    logits, target = (arrays[name].reshape(-1, *arrays[name].shape[2:]) for name in ('logits', 'target'))
    for index, (scores, labels) in enumerate(zip(logits, target)):
        metric.process({}, [dict(img_path=str(index), pred_sem_seg=dict(data=torch.from_numpy(scores).argmax(0)[None]),
                                 gt_sem_seg=dict(data=torch.from_numpy(labels.astype(np.int64))[None]))])
    metrics = metric.evaluate(len(logits))
    assert metrics['macroF1[published]'] == pytest.approx(100 * arrays['macro_cumulative'][-1], abs=1e-10)


def test_predicting_one_class_everywhere(arrays):
    counts = arrays['class_counts']
    labels = torch.arange(counts.size).repeat_interleave(torch.from_numpy(counts))
    value = macro_f1(class_counts(torch.full_like(labels, 12), labels, counts.size), 'zero')
    assert value == pytest.approx(arrays['constant_wall_macro_f1'], abs=1e-12)


@pytest.fixture(scope='module')
def focal():
    return read('focal')


@pytest.mark.parametrize('case', ['', '_flat', '_extreme'])
def test_focal_loss(focal, case):
    logits, labels = torch.from_numpy(focal[f'logits{case}']), torch.from_numpy(focal[f'target{case}']).long()
    for index, gamma in enumerate(focal['gammas']):
        for dtype, name, tolerance in ((torch.float64, f'loss{case}_float64', 1e-8), (torch.float32, f'loss{case}', 2e-6)):
            value = focal_loss(logits.to(dtype), labels, gamma).mean().item()
            assert value == pytest.approx(focal[name][index], abs=tolerance * max(1, focal[name][index]))


@pytest.mark.parametrize('gamma', [0, 1, 2])
def test_gradient_of_focal_loss(focal, gamma):
    logits = torch.from_numpy(focal['logits']).requires_grad_()
    focal_loss(logits, torch.from_numpy(focal['target']).long(), gamma).mean().backward()
    np.testing.assert_allclose(logits.grad, focal[f'grad_gamma{gamma}'], atol=1e-7)


@pytest.fixture(scope='module')
def unet():
    return read('unet')


def lab_unet(classes, blocks):
    net = LabUNet(blocks=blocks, norm_cfg=dict(type='BN', eps=1e-5))
    return nn.ModuleList([net, nn.Conv2d(net.base_channels, classes, 1)])


def in_execution_order(net):
    for block in net.encoder:
        yield from block
    yield from net.bottom
    for rise, block in zip(net.rise, net.decoder):
        yield rise
        yield from block


def numbered_values(index, shape, fan):
    steps = np.arange(np.prod(shape), dtype=np.int64)
    uniform = ((1103515245 * steps + 12345 + 7919 * index) % 2**31) / 2**31
    return torch.from_numpy(((2 * uniform - 1) * np.sqrt(6 / fan)).reshape(shape))


def fill(model):
    net, classifier = model
    tensors = []
    for unit in in_execution_order(net):
        norm = unit.norm
        tensors += [(unit.conv.weight, 'weight'), (unit.conv.bias, (0., 0.1)), (norm.weight, (1., 0.3)), (norm.bias, (0., 0.2)),
                    (norm.running_mean, (0.5, 0.2)), (norm.running_var, (1., 0.4))]
    tensors += [(classifier.weight, 'weight'), (classifier.bias, (0., 0.1))]
    with torch.no_grad():
        for index, (tensor, rule) in enumerate(tensors):
            if rule == 'weight':
                tensor.copy_(numbered_values(index, tuple(tensor.shape), tensor[0].numel()))
            else:
                tensor.copy_(rule[0] + rule[1] * numbered_values(index, tuple(tensor.shape), 6))
    return len(tensors)


def test_parameters_of_the_unet(unet):
    for classes, blocks, parameters in unet['parameter_count']:
        assert sum(parameter.numel() for parameter in lab_unet(int(classes), int(blocks)).parameters()) == parameters


def test_layers_and_shapes_of_the_unet(unet):
    net, classifier = lab_unet(14, 4).to('meta')
    image = torch.empty(unet['layer_output_shape'][0][0], 3, *unet['layer_output_shape'][0][2:], device='meta')
    kinds, shapes = [], []

    def remember(module, _, output):
        kinds.append(type(module).__name__)
        shapes.append(tuple(output.shape))

    for module in [*net.modules(), classifier]:
        if isinstance(module, (nn.Conv2d, nn.ReLU, nn.BatchNorm2d)):
            module.register_forward_hook(remember)
    deepest, skips = net.encode(image)
    assert tuple(deepest.shape) == tuple(unet['encoder_output_shape'])
    assert [tuple(skip.shape) for skip in skips] == [tuple(shape) for shape in unet['encoder_skip_shapes']]
    classifier(net.decode(deepest, skips))
    learned = np.isin(unet['layer_kind'], ['Conv2d', 'ReLU', 'BatchNorm2d'])
    assert kinds == unet['layer_kind'][learned].tolist()
    assert shapes == [tuple(shape) for shape in unet['layer_output_shape'][learned]]


def test_forward_pass_of_the_unet(unet):
    cases = [name.removesuffix('_input') for name in unet if name.endswith('_input')]
    for case in cases:
        blocks = int(case.removeprefix('blocks'))
        for dtype, tolerance in ((torch.float64, 1e-9), (torch.float32, 1e-5)):
            model = lab_unet(unet[f'{case}_output'].shape[1], blocks).double().eval()
            assert fill(model) == unet[f'{case}_n_tensors']
            model = model.to(dtype)
            with torch.no_grad():
                logits = model[1](model[0](torch.from_numpy(unet[f'{case}_input']).to(dtype))[0])
            np.testing.assert_allclose(logits, unet[f'{case}_output'], atol=tolerance, rtol=tolerance)


def test_decoding_of_colours():
    arrays = read('decode')
    table = class_table(arrays['instance_names'].tolist())
    assert list(table.classes) == arrays['class_names'].tolist() and table.unknown == arrays['unknown_class']
    np.testing.assert_array_equal(table.of_instance, arrays['instance_to_class'])
    labels, unlisted = decode_colors(arrays['encoded'], table)
    np.testing.assert_array_equal(labels, arrays['decoded'])
    assert unlisted == 0


def test_palette_and_overlay():
    arrays = read('decode')
    if tuple(arrays['class_names']) == S3DIS2DDataset.METAINFO['classes']:
        np.testing.assert_array_equal(S3DIS2DDataset.METAINFO['palette'], arrays['palette'])
    image = np.rint(255 * arrays['overlay_rgb']).astype(np.uint8)
    overlay = overlay_classes(image, arrays['overlay_class'], arrays['palette'].tolist(), opacity=0.6)
    np.testing.assert_allclose(overlay / 255, arrays['overlay'], atol=1 / 255)
