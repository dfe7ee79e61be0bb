"""A folder like a clone with small data, in which the command lines of README and docs run."""
import re
import shutil
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from mmseg_uncertainty.apis import fit
from mmseg_uncertainty.apis.config_files import load_config
from tests.documentation import ROOT, blocks
from tests.test_tools.test_coco_converter import write_coco
from tests.tiny import tiny_base

SIZE = (72, 96)
CITYSCAPES = ('road sidewalk building wall fence pole light sign vegetation terrain sky person rider car truck bus train '
              'motorcycle bicycle').split()
ZOO = 'mmseg::pspnet/pspnet_r50-d8_4xb2-40k_cityscapes-512x1024.py'
# A MiT-B2 and a ResNet-50 of a few channels.
SMALL_MIT = {'model.backbone.embed_dims': 8, 'model.backbone.num_layers': [1, 1, 1, 1],
             'model.decode_head.in_channels': [8, 16, 40, 64], 'model.decode_head.channels': 16}
SMALL_PSPNET = {'model.backbone.depth': 18, 'model.backbone.base_channels': 8, 'model.decode_head.in_channels': 64,
                'model.decode_head.channels': 16, 'model.auxiliary_head.in_channels': 32, 'model.auxiliary_head.channels': 8}
# What makes shipped configs of datasets quick: small images, read in this process.
SMALLER = {r'num_workers=\d': 'num_workers=0', r'persistent_workers=True': 'persistent_workers=False',
           r'\(480, 360\)': '(96, 72)', r'\(360, 480\)': '(72, 96)'}
# What makes the shipped plan of a sweep quick.
PLAN = {'^  camvid:$': '  camvid: {dataset: local_configs/_base_/datasets/camvid.py, every: 20}',
        '^corruptions:.*': 'corruptions: [fog]', '^severities:.*': 'severities: [1]',
        '^evaluators:.*': 'evaluators: [mIoU, ECE]'}


def picture(path, seed=0, labels=None, values=range(19), size=SIZE):
    """Write an image of blocks and noise, and its labels, whose value the colour of a block tells."""
    random = np.random.default_rng(seed)
    found = np.kron(random.choice(list(values), (size[0] // 8, size[1] // 8)), np.ones((8, 8))).astype(np.uint8)
    image = (12 * np.minimum(found, 19)[..., None] + random.integers(0, 28, (*size, 3))).astype(np.uint8)
    for file, array in ((path, image), (labels, found)):
        if file:
            file.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(file), array)


def random_weights(config, path):
    """A checkpoint of the model of a config, without training."""
    torch.manual_seed(0)
    model = dict(config.model, pretrained=None)
    torch.save(dict(state_dict=MODELS.build(Config(model)).state_dict(), meta={}), path)


def write_data(data):
    """A few images in the layout of every dataset that the pages name."""
    for part, count in (('train', 6), ('val', 4), ('test', 40)):
        for index in range(count):
            name = f'Seq{index // 20}_f{index:05}'
            picture(data / f'camvid/{part}/{name}.jpg', index, data / f'camvid/{part}annot/{name}.png', range(12))
    for part, count in (('train', 3), ('val', 2)):
        for index in range(count):
            picture(data / f'idd_lite/images/{part}/0_{index}.jpg', index, data / f'idd_lite/labels/{part}/0_{index}.png', range(7))
    for name, count in (('fs_static', 30), ('fs_lost_found', 2), ('road_anomaly', 2)):
        for index in range(count):
            picture(data / f'{name}/images/{index:03}.jpg', index, data / f'{name}/labels/{index:03}.png', (0, 0, 0, 1, 255))
    for index in range(110):
        picture(data / f'dataset_AnomalyTrack/images/frame{index:04}.png', index, size=(16, 24))
    for index in range(2):
        folder, name = data / 'dataset_ObstacleTrack', f'validation_{index}'
        picture(folder / f'images/{name}.webp', index, folder / f'labels_masks/{name}_labels_semantic.png', (0, 0, 1, 255))
    for index in range(2):
        city = data / 'cityscapes'
        picture(city / f'leftImg8bit/val/town/town_{index:06}_000000_leftImg8bit.png', index,
                city / f'gtFine/val/town/town_{index:06}_000000_gtFine_labelTrainIds.png')


def write_own(folder):
    """What the pages call the user's: two folders with labels, a photo, several, a video, names of classes."""
    for index in range(12):
        picture(folder / f'DIR/images/{index}.png', index, folder / f'DIR/labels/{index}.png')
    for index in range(2):
        picture(folder / f'OTHER/images/other{index}.png', 100 + index, folder / f'OTHER/labels/other{index}.png')
        picture(folder / f'photos/photo{index}.jpg', 200 + index)
    picture(folder / 'photo.jpg', 300)
    writer = cv2.VideoWriter(str(folder / 'video.mp4'), cv2.VideoWriter_fourcc(*'mp4v'), 10, SIZE[::-1])
    for index in range(6):
        writer.write(np.full((*SIZE, 3), 40 * index, np.uint8))
    writer.release()
    (folder / 'classes.txt').write_text('\n'.join(CITYSCAPES))
    write_coco(folder / 'coco')


def write_models(folder):
    """Bases with random weights, and what is fitted to them, under the names that stand for them on the pages."""
    init_default_scope('mmseg')
    base = Config(dict(default_scope='mmseg', model=tiny_base(num_classes=19)))
    base.dump(folder / 'base.py')
    random_weights(base, folder / 'BASE.pth')
    own = next(block.text for block in blocks(ROOT / 'README.md', 'python') if 'mmseg::segformer' in block.text)
    (folder / 'own.py').write_text(own)
    for name, changes, target in (('own.py', SMALL_MIT, 'own.pth'), (ZOO, SMALL_PSPNET, 'zoo.pth')):
        config = load_config(name)
        config.merge_from_dict(changes)
        random_weights(config, folder / target)
    random_weights(load_config('local_configs/cgnet/cgnet_camvid_BASE.py'), folder / 'data/weights/cgnet_camvid11_mmseg.pth')
    data = dict(images='DIR/images', labels='DIR/labels', classes='classes.txt', workers=0, alpha=0.4)
    fit('base.py', 'BASE.pth', ['crc'], out='sets.pth', **data)
    fit('base.py', 'BASE.pth', ['temperature', 'crc', 'fedc', 'false_alarms'], out='CHECKPOINT.pth', iterations=2, **data)
    for name, fitted in (('CONFIG.py', 'CHECKPOINT.py'), ('sets_config.py', 'sets.py')):
        (folder / name).write_text(f"""_base_ = './{fitted}'
test_dataloader = dict(
    batch_size=1, num_workers=0, sampler=dict(type='DefaultSampler', shuffle=False),
    dataset=dict(
        type='FolderDataset', metainfo=_base_.train_dataloader.dataset.metainfo,
        data_prefix=dict(img_path='OTHER/images', seg_map_path='OTHER/labels'),
        pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadLabels'), dict(type='PackSegInputs')]))
test_cfg = dict(type='TestLoop')
test_evaluator = dict(type='IoUMetric')
""")


def write_folder(folder):
    """Fill the current folder."""
    (folder / 'data/weights').mkdir(parents=True)
    for name in ('checkpoints', 'tools'):
        (folder / name).symlink_to(ROOT / name)
    for name in ('docs/examples', 'docs/decisions.md', 'local_configs'):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        (folder / name).parent.mkdir(exist_ok=True)
        copy(ROOT / name, folder / name)
    for config in Path(folder, 'local_configs/_base_/datasets').glob('*.py'):
        text = config.read_text()
        for pattern, value in SMALLER.items():
            text = re.sub(pattern, value, text)
        config.write_text(text)
    plan = folder / 'local_configs/sweeps/camvid_c.yaml'
    text = plan.read_text()
    for pattern, value in PLAN.items():
        text, count = re.subn(pattern, value, text, flags=re.MULTILINE)
        assert count == 1, pattern
    plan.write_text(text)
    for name in ('FIRST', 'SECOND', 'THIRD'):
        (folder / f'{name}.pth').symlink_to(ROOT / 'checkpoints/deeplabv3plus_mnv2_camvid.pth')
    write_data(folder / 'data')
    write_own(folder)
    write_models(folder)
    return folder
