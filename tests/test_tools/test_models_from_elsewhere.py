"""Every tool on networks of other libraries: nothing but the config says where the model comes from."""
import json
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config

from mmseg_uncertainty.apis import UncertaintyInferencer, load_posthoc
from mmseg_uncertainty.engine.checkpoints import CheckpointError
from mmseg_uncertainty.models.bases import base_of
from tests.libraries import smp, torchvision  # noqa: F401
from tests.outside import Plain, balanced, shaken, transformers_config, transformers_network
from tests.tiny import TINY_TOY_ROADS

CLASSES = 8
NAMES = ('road', 'pavement', 'grass', 'building', 'tree', 'pole', 'car', 'sky')
LOADER = dict(batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False, round_up=False))
IMAGES = dict(type='ToyRoadsDataset', size=(64, 96), test_mode=True,
              pipeline=[dict(type='RenderToyRoads'), dict(type='PackSegInputs')])
MSP = dict(msp=dict(type='MSPHead'))
FEATURES = dict(MSP, mahalanobis=dict(type='MahalanobisHead', num_classes=CLASSES))
FEDC = dict(MSP, fedc=dict(type='FlowEneDetHead', num_classes=CLASSES, conditional=True, condition_channels=4))
SETS = dict(type='ConformalRiskControlHead', num_classes=CLASSES)


def plain(_):
    return shaken(Plain(CLASSES)), dict(
        type='TorchBase', network='tests.outside.Plain', arguments=dict(classes=CLASSES), classes=NAMES,
        features_from='classifier', mean=[127.] * 3, std=[64.] * 3)


def transformers(_):
    pytest.importorskip('transformers', reason='make extras')
    options = dict(num_labels=CLASSES, id2label=dict(enumerate(NAMES)))
    config = transformers_config('Segformer', **options).to_dict()
    return transformers_network('Segformer', **options), dict(type='TransformersBase', network=config)


def torchvision_network(request):
    models = request.getfixturevalue('torchvision').models
    network = models.get_model('deeplabv3_mobilenet_v3_large', weights=None, weights_backbone=None, num_classes=CLASSES)
    return network.eval(), dict(type='TorchvisionBase', network='deeplabv3_mobilenet_v3_large', classes=NAMES)


def smp_network(request):
    arguments = dict(encoder_name='resnet18', encoder_depth=3, decoder_channels=(16, 8, 8))
    network = request.getfixturevalue('smp').create_model('unet', encoder_weights=None, classes=CLASSES, **arguments)
    return network.eval(), dict(type='SegmentationModelsBase', network='unet', arguments=arguments, classes=NAMES)


def with_weights(made, folder):
    """Config of a base whose weights are in a file."""
    network, config = made
    held = base_of(network, **(dict(num_classes=CLASSES, features_from='classifier') if type(network) is Plain else {}))
    balanced(network, held.classifier, torch.randn(2, 3, 64, 96))
    torch.save(network.state_dict(), folder / 'network.pth')
    return dict(config, weights=str(folder / 'network.pth'))


@pytest.fixture
def base(tmp_path):
    torch.manual_seed(0)
    return with_weights(plain(None), tmp_path)


@pytest.fixture(params=[plain, transformers, torchvision_network, smp_network])
def any_base(request, tmp_path):
    torch.manual_seed(0)
    return with_weights(request.param(request), tmp_path)


def write(path, base, heads, **options):
    model = dict(type='PosthocSegmentor', base=base, uncertainty_heads=heads, **options.pop('model', {}))
    Config({**TINY_TOY_ROADS, 'model': model, 'test_dataloader': dict(LOADER, dataset=dict(IMAGES, split='test', length=3)),
            'test_evaluator': dict(type='IoUMetric'), 'test_cfg': dict(type='TestLoop'), **options}).dump(path)
    return path


def calibration():
    return dict(train_cfg=dict(type='CalibrationLoop'), default_hooks=dict(checkpoint=None), param_scheduler=None,
                train_dataloader=dict(LOADER, dataset=dict(IMAGES, split='val', length=4)))


def test_scores_need_no_checkpoint(run_tool, tmp_path, base):
    config = write(tmp_path / 'scores.py', base, MSP)
    run_tool('test', config, '--eval', 'mIoU', 'IDM', '--report', tmp_path / 'report', '--cache', tmp_path / 'cache')
    results = json.loads((tmp_path / 'report/results.json').read_text())
    assert results['images'] == 3 and len(results['checkpoint_sha256']) == 64
    run_tool('test', config, '--eval', 'IDM', '--out', tmp_path / 'again.json', '--cache', tmp_path / 'cache')
    again = json.loads((tmp_path / 'again.json').read_text())['metrics']
    assert again['msp/IDM_AP[pooled]'] == results['metrics']['msp/IDM_AP[pooled]']
    assert len(list((tmp_path / 'cache').glob('*/base.json'))) == 1


def test_features_are_fitted_by_statistics_and_measured(run_tool, tmp_path, any_base):
    config = write(tmp_path / 'features.py', any_base, FEATURES, model=dict(set_head=SETS), **calibration())
    run_tool('train', config, '--work-dir', tmp_path / 'run')
    fitted = tmp_path / 'run/calibrated.pth'
    run_tool('test', config, fitted, '--eval', 'IDM', 'coverage', '--out', tmp_path / 'results.json')
    metrics = json.loads((tmp_path / 'results.json').read_text())['metrics']
    assert 0 < metrics['mahalanobis/IDM_AUROC[pooled]'] < 100
    save_image(tmp_path / 'image.png')
    run_tool('infer', tmp_path / 'image.png', config, fitted, '--out', tmp_path / 'out')
    assert (tmp_path / 'out/labels/image.png').is_file()
    run_tool('export_onnx', config, fitted, '--out', tmp_path / 'model.onnx', '--heads', 'msp', 'mahalanobis', '--sizes',
             '64x96', '96x64')
    assert (tmp_path / 'model.onnx').is_file()


def save_image(path):
    cv2.imwrite(str(path), np.random.default_rng(0).integers(0, 255, (64, 96, 3), np.uint8))


def test_a_flow_is_fitted_by_gradient_and_comes_back(run_tool, tmp_path, any_base):
    config = write(tmp_path / 'fedc.py', any_base, FEDC)
    run_tool('train', config, '--work-dir', tmp_path / 'run')
    model = load_posthoc(config, tmp_path / 'run/iter_6.pth')
    state = torch.load(tmp_path / 'run/iter_6.pth', weights_only=False)['state_dict']
    own = torch.load(any_base['weights'])
    assert all(torch.equal(state[key], value) for key, value in own.items())
    assert set(model.state_dict()) == set(state)
    assert any(key.startswith('uncertainty_heads.fedc') for key in state)
    inferencer = UncertaintyInferencer(config, tmp_path / 'run/iter_6.pth', 'cpu', show_progress=False)
    assert inferencer.classes == list(NAMES)


def test_a_sweep_needs_no_checkpoint_either(run_tool, tmp_path, base, monkeypatch):
    # Sweeps start processes, which must find the network too.
    monkeypatch.setenv('PYTHONPATH', str(Path(__file__).resolve().parents[2]))
    config = write(tmp_path / 'scores.py', base, MSP)
    plan = tmp_path / 'plan.yaml'
    plan.write_text(f'models: {{own: {{config: {config}}}}}\ndatasets: {{toy_roads: {{every: 100}}}}\n'
                    'evaluators: [mIoU, IDM]\nreport: [mIoU]\n')
    run_tool('sweep', plan, '--work-dir', tmp_path / 'sweep')
    cell, = (tmp_path / 'sweep/cells').glob('**/*.json')
    assert json.loads(cell.read_text())['checkpoint'] == 'weights of the base model'


def test_what_is_missing_is_said(run_tool, tmp_path, base):
    del base['weights']
    config = write(tmp_path / 'scores.py', base, FEATURES, **calibration())
    for tool, arguments in (('train', ['--work-dir', tmp_path / 'run']), ('test', ['--eval', 'IDM'])):
        with pytest.raises(CheckpointError, match='scores.py has a base model without weights'):
            run_tool(tool, config, *arguments)
    with pytest.raises(CheckpointError, match='needs a checkpoint'):
        load_posthoc(config)


def test_heads_that_were_not_fitted_are_named(run_tool, tmp_path, base):
    config = write(tmp_path / 'features.py', base, FEATURES)
    for attempt in (lambda: run_tool('test', config, '--eval', 'IDM'), lambda: load_posthoc(config)):
        with pytest.raises(CheckpointError, match='no weights for uncertainty_heads.mahalanobis. Fit first'):
            attempt()
