"""Models for the tests of exports."""
import torch
from mmengine.config import Config
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from mmseg_uncertainty.apis import UncertaintyInferencer, load_posthoc
from mmseg_uncertainty.apis.export_parity import street
from mmseg_uncertainty.apis.exported_segmentor import ExportedSegmentor
from mmseg_uncertainty.models.fittable import fit_in_order, fit_target, target_readers
from tests.tiny import tiny_posthoc

HEADS = dict(
    fedc=dict(type='FlowEneDetHead', conditional=True, condition_channels=8),
    fedc_outliers=dict(type='FlowEneDetHead', conditional=True, condition_channels=8, standardize_features=True),
    msp=dict(type='MSPHead'),
    energy=dict(type='EnergyHead', resolution='native'))
SET_HEAD = dict(type='ConformalRiskControlHead', num_classes=5, keep_curves=False)
DEEPLAB = dict(
    backbone=dict(
        type='ResNetV1c', depth=18, base_channels=4, stem_channels=8, strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4),
        norm_cfg=dict(type='BN')),
    decode_head=dict(
        type='DepthwiseSeparableASPPHead', in_channels=32, in_index=3, channels=16, dilations=(1, 2), c1_in_channels=4,
        c1_channels=4, num_classes=5, norm_cfg=dict(type='BN'), align_corners=False))


def posthoc(base=None, **options):
    torch.manual_seed(1)
    model = MODELS.build(Config({**tiny_posthoc(HEADS, **options), **(base or {})})).eval()
    for parameter in model.uncertainty_heads.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    if model.set_head:
        model.set_head.thresholds.fill_(0.2)
    return model


def config_of(model, *steps):
    """Config of a model whose test pipeline has these steps between loading and packing."""
    pipeline = [dict(type='LoadImageFromFile'), *steps, dict(type='PackSegInputs')]
    return Config(dict(default_scope='mmseg', model=model, test_dataloader=dict(dataset=dict(pipeline=pipeline))))


def save_weights(model, path):
    """Write a checkpoint of a model whose set head has thresholds and whose calibrator counts as fitted."""
    classes = list('abcdefgh')[:model.num_classes]
    torch.save(dict(state_dict=model.state_dict(), meta=dict(dataset_meta=dict(classes=classes))), path)
    return path


def batches_of_streets(model, images, size=(64, 96)):
    """Outputs for random images, and labels that are right at most pixels."""
    generator = torch.Generator().manual_seed(3)
    for index in range(images):
        image, meta = torch.from_numpy(street(*size, index)), dict(ori_shape=size, img_shape=size, img_path=f'{index}.png')
        data = model.data_preprocessor(dict(inputs=[image.permute(2, 0, 1)], data_samples=[SegDataSample(metainfo=meta)]), False)
        outputs = model.frozen_outputs(data['inputs'], data['data_samples'])
        labels, wrong = outputs.output.classes, torch.rand(1, *size, generator=generator) < 0.2
        yield outputs, labels.where(~wrong, torch.randint(0, model.num_classes, labels.shape, generator=generator)), [meta]


def fit_on_streets(model, images=24):
    """Fit everything that is fitted by statistics, on a classifier that predicts every class somewhere."""
    model.eval()
    balance(model)
    fit_in_order(model, lambda: batches_of_streets(model, images))
    if readers := target_readers(model):
        fit_target(readers, (outputs for outputs, *_ in batches_of_streets(model, images)))


@torch.no_grad()
def balance(model):
    """Give the classifier answers that vary."""
    classifier, inputs = model.base.classifier, torch.randn(2, 3, 64, 96, generator=torch.Generator().manual_seed(1))
    classifier.bias.zero_()
    classifier.weight.mul_(3 / model.base(inputs, [{}] * 2).native_scores.std())
    classifier.bias.sub_(model.base(inputs, [{}] * 2).native_scores.mean(dim=(0, 2, 3)))


def as_it_is_and_exported(model, folder, *steps, fit=lambda model: None, **options):
    """The inferencer of a model with random weights, and the same model for exporting.

    ``fit`` fills what is not a weight, such as thresholds.
    """
    torch.manual_seed(1)
    built = MODELS.build(Config(model))
    for parameter in built.uncertainty_heads.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    fit(built)
    config, weights = config_of(model, *steps), save_weights(built, folder / 'tiny.pth')
    return (UncertaintyInferencer(config, weights, 'cpu', show_progress=False),
            ExportedSegmentor(load_posthoc(config, weights), **options))
