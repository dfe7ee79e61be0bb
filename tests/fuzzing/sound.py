"""A folder of small models, configs and images, and a sound call of every command on them."""
from __future__ import annotations

import copy
import json
from pathlib import Path

import cv2
import numpy as np
import torch
import yaml
from mmengine.config import Config
from mmseg.registry import MODELS

from tests.tiny import TINY_TOY_ROADS, tiny_base, tiny_posthoc

CLASSES = ['road', 'grass', 'sky', 'house']
SCORES = dict(msp=dict(type='MSPHead'), entropy=dict(type='EntropyHead'))
FOLDERS = ('--images', 'images', '--labels', 'labels')
FOLDER_DATA = dict(
    type='FolderDataset', metainfo=dict(classes=CLASSES, palette=[[60 * index] * 3 for index in range(4)]),
    data_prefix=dict(img_path='images', seg_map_path='labels'),
    pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadLabels'), dict(type='PackSegInputs')])
TEST_LOADER = dict(batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False, round_up=False),
                   dataset=dict(FOLDER_DATA, test_mode=True))
TEST = dict(default_scope='mmseg', test_dataloader=TEST_LOADER, test_evaluator=dict(type='IoUMetric'),
            test_cfg=dict(type='TestLoop'))

# Words of the sound calls, each after the name of the command.
CALLS = dict(
    infer=('infer', 'images', 'scores.py', 'base.pth', '--out', 'out'),
    infer_onnx=('infer', 'images', 'model.onnx', '--out', 'out'),
    fit=('fit', 'base.py', 'base.pth', '--add', 'temperature', 'crc', *FOLDERS, '--classes', 'classes.txt',
         '--alpha', '0.4', '--workers', '0', '--out', 'fitted.pth', '--work-dir', 'run'),
    fit_flow=('fit', 'base.py', 'base.pth', '--add', 'fedu', *FOLDERS, '--classes', 'classes.txt', '--iterations', '1',
              '--workers', '0', '--out', 'fitted.pth', '--work-dir', 'run'),
    test=('test', 'scores.py', 'base.pth', '--eval', 'mIoU', 'ECE', '--out', 'r.json', '--work-dir', 'run'),
    test_folder=('test', 'scores.py', 'base.pth', *FOLDERS, '--eval', 'mIoU', '--out', 'r.json', '--work-dir', 'run',
                 '--cfg-options', 'test_dataloader.num_workers=0', 'test_dataloader.persistent_workers=False'),
    report=('report', 'scores.py', 'base.pth', '--eval', 'mIoU', '--out', 'out', '--work-dir', 'run'),
    train=('train', 'train.py', '--load-from', 'base.pth', '--work-dir', 'run'),
    train_statistics=('train', 'statistics.py', '--load-from', 'base.pth', '--work-dir', 'run'),
    export=('export', 'scores.py', 'base.pth', '--out', 'm.pt', '--sizes', '64x96'),
    export_onnx=('export', 'scores.py', 'base.pth', '--out', 'm.onnx', '--sizes', '64x96'),
    sweep=('sweep', 'plan.yaml', '--work-dir', 'run'),
    monitor=('monitor', 'images', 'scores.py', 'base.pth', '--calibration', 'images', '--out', 'out'),
    submit=('submit', 'fishyscapes', 'scores.py', 'base.pth', '--head', 'msp', '--images', 'images', '--out', 'out'),
    rank=('rank', 'images', 'scores.py', 'base.pth', '--top', '2', '--out', 'out'),
    serve=('serve', 'scores.py', 'base.pth', '--port', '0'),
    app=('app', 'scores.py', 'base.pth', '--examples', 'images', '--device', 'cpu'),
    models=('models', ), datasets=('datasets', ))
# Files that each call reads, by what they are.
INPUTS = dict(
    infer=dict(image='images/1.png', config='scores.py', checkpoint='base.pth'),
    infer_onnx=dict(image='images/1.png', onnx='model.onnx'),
    fit=dict(image='images/1.png', label='labels/1.png', config='base.py', checkpoint='base.pth', classes='classes.txt'),
    fit_flow=dict(image='images/1.png', label='labels/1.png', config='base.py', checkpoint='base.pth'),
    test=dict(image='images/1.png', label='labels/1.png', config='scores.py', checkpoint='base.pth'),
    test_folder=dict(image='images/1.png', label='labels/1.png', config='scores.py', checkpoint='base.pth'),
    report=dict(image='images/1.png', label='labels/1.png', config='scores.py', checkpoint='base.pth'),
    train=dict(image='images/1.png', label='labels/1.png', config='train.py', checkpoint='base.pth'),
    train_statistics=dict(image='images/1.png', label='labels/1.png', config='statistics.py', checkpoint='base.pth'),
    export=dict(config='scores.py', checkpoint='base.pth'), export_onnx=dict(config='scores.py', checkpoint='base.pth'),
    monitor=dict(image='images/1.png', config='scores.py', checkpoint='base.pth'),
    submit=dict(image='images/1.png', config='scores.py', checkpoint='base.pth'),
    sweep=dict(image='images/1.png', label='labels/1.png', plan='plan.yaml', config='scores.py', checkpoint='base.pth'),
    rank=dict(image='images/1.png', config='scores.py', checkpoint='base.pth'),
    serve=dict(config='scores.py', checkpoint='base.pth'),
    app=dict(image='images/1.png', config='scores.py', checkpoint='base.pth'), models={}, datasets={})
# Where each call writes: the option, and whether it is a folder.
OUTPUTS = dict(
    infer=dict(out=True), infer_onnx=dict(out=True), fit=dict(out=False, work_dir=True),
    fit_flow=dict(out=False, work_dir=True), test=dict(out=False, work_dir=True), test_folder=dict(out=False),
    report=dict(out=True), train=dict(work_dir=True), train_statistics=dict(work_dir=True), export=dict(out=False),
    export_onnx=dict(out=False), monitor=dict(out=True), submit=dict(out=True), sweep=dict(work_dir=True),
    rank=dict(out=True), serve={}, app={}, models={}, datasets={})


def write_sound(folder: Path) -> None:
    """Write all files of the sound calls."""
    _write_images(folder)
    torch.manual_seed(0)
    torch.save(dict(state_dict=MODELS.build(Config(tiny_base(num_classes=4))).state_dict(), meta={}), folder / 'base.pth')
    (folder / 'classes.txt').write_text('\n'.join(CLASSES) + '\n')
    training = {**copy.deepcopy(TINY_TOY_ROADS), 'train_cfg': dict(type='IterBasedTrainLoop', max_iters=1),
                'train_dataloader': dict(batch_size=2, num_workers=0, dataset=FOLDER_DATA,
                                         sampler=dict(type='NumberedInfiniteSampler', shuffle=True))}
    statistics = {**training, 'train_cfg': dict(type='CalibrationLoop'), 'train_dataloader': TEST_LOADER}
    heads = dict(fedu=dict(type='FlowEneDetHead'))
    configs = dict(
        base=dict(model=tiny_base(num_classes=4)), scores=dict(**TEST, model=tiny_posthoc(SCORES, classes=4)), data=TEST,
        train=dict(**training, model=tiny_posthoc(heads, classes=4)),
        statistics=dict(**statistics, model=tiny_posthoc(SCORES, classes=4, calibrator=dict(type='TemperatureScaling'))))
    for name, content in configs.items():
        Config(content).dump(folder / f'{name}.py')
    plan = dict(models=dict(tiny=dict(config='scores.py', checkpoint='base.pth')), datasets=dict(own=dict(dataset='data.py')),
                corruptions=['snow'], severities=[1], evaluators=['mIoU'], report=['mIoU'])
    (folder / 'plan.yaml').write_text(yaml.safe_dump(plan))
    (folder / 'other.json').write_text(json.dumps(dict(kept=True)))


def _write_images(folder: Path) -> None:
    random = np.random.default_rng(0)
    for name in ('images', 'labels'):
        (folder / name).mkdir()
    for index in range(6):
        labels = np.kron(random.integers(0, 4, (4, 6)), np.ones((16, 16))).astype(np.uint8)
        image = np.stack([60 * labels] * 3, -1) + random.integers(0, 40, (64, 96, 3))
        labels[:2] = 255
        cv2.imwrite(str(folder / f'images/{index}.png'), image.astype(np.uint8))
        cv2.imwrite(str(folder / f'labels/{index}.png'), labels)
