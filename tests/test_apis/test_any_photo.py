"""Photos of any size, channels and orientation say the same in every command, at the size at which people see them."""
import base64
import csv
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from PIL import Image

from mmseg_uncertainty.apis import UncertaintyInferencer, measuring_engines
from mmseg_uncertainty.app.explored_image import ImageStore
from mmseg_uncertainty.cli import call
from mmseg_uncertainty.runtime.image_sources import ImageSource, read_image
from mmseg_uncertainty.serving.limits import Limits
from mmseg_uncertainty.serving.served_model import ServedModel
from tests.tiny import tiny_base, tiny_posthoc

# Height and width after turning.
SIZES = {'large.jpg': (3000, 4000), 'small.png': (37, 53), 'grey.png': (60, 80), 'rgba.png': (60, 80), 'portrait.jpg': (80, 60)}


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('any')
    (folder / 'photos').mkdir()
    random, turned = np.random.default_rng(0), Image.Exif()
    turned[0x0112] = 6

    def photo(size, channels=3):
        soft = cv2.resize(random.integers(0, 256, (6, 8, channels), np.uint8), size[::-1], interpolation=cv2.INTER_LINEAR)
        return Image.fromarray(soft)

    photo((3000, 4000)).save(folder / 'photos/large.jpg', quality=90)
    photo((37, 53)).save(folder / 'photos/small.png')
    photo((60, 80), 1).save(folder / 'photos/grey.png')
    photo((60, 80), 4).save(folder / 'photos/rgba.png')
    photo((60, 80)).save(folder / 'photos/portrait.jpg', exif=turned)
    init_default_scope('mmseg')
    torch.manual_seed(0)
    torch.save(dict(state_dict=MODELS.build(Config(tiny_base())).state_dict(), meta={}), folder / 'tiny.pth')
    heads = dict(energy=dict(type='EnergyHead'), msp=dict(type='MSPHead'))
    Config(dict(default_scope='mmseg', model=tiny_posthoc(heads), test_pipeline=[
        dict(type='LoadImageFromFile'), dict(type='Resize', scale=(96, 64), keep_ratio=True),
        dict(type='PackSegInputs')])).dump(folder / 'tiny.py')
    return folder


@pytest.mark.slow
def test_every_photo_is_taken_by_every_command(folder, monkeypatch):
    monkeypatch.chdir(folder)
    pytest.importorskip('fastapi', reason='fastapi is not installed; pip install "mmseg_uncertainty[serve]"')
    from fastapi.testclient import TestClient

    from mmseg_uncertainty.serving.uncertainty_service import create_app
    measuring_engines.measurer.cache_clear()
    call('infer', ['photos', 'tiny.py', 'tiny.pth', '--out', 'mine', '--device', 'cpu'])
    call('rank', ['photos', 'tiny.py', 'tiny.pth', '--out', 'ranked', '--device', 'cpu', '--statistic', 'energy'])
    with open('ranked/ranking.csv', newline='') as file:
        ranked = {Path(row['image']).name: float(row['energy']) for row in csv.DictReader(file)}
    inferencer = UncertaintyInferencer('tiny.py', 'tiny.pth', 'cpu', show_progress=False)
    store = ImageStore(inferencer)
    served = ServedModel(inferencer.predict_batch, inferencer.classes, inferencer.palette, inferencer.scales, {}, {})
    with TestClient(create_app(served, Limits())) as client:
        for name, size in SIZES.items():
            stem, path = Path(name).stem, folder / 'photos' / name
            labels = cv2.imread(f'mine/labels/{stem}.png', cv2.IMREAD_UNCHANGED)
            assert labels.shape == size
            assert all(cv2.imread(f'mine/{kind}/{stem}.jpg') is not None for kind in ('figures', 'maps'))
            answer = client.post('/predict?include=labels', content=path.read_bytes()).json()
            sent = answer['maps']['labels']
            assert [answer['height'], answer['width']] == list(size)
            np.testing.assert_array_equal(
                np.frombuffer(base64.b64decode(sent['data']), sent['dtype']).reshape(sent['shape']), labels)
            assert ranked[name] == pytest.approx(answer['uncertainty']['energy']['mean'], abs=1e-6)
            explored = store.get(store.add(read_image(ImageSource(stem, path))))
            step = -(-labels.shape[0] // explored.labels.shape[0])
            assert explored.size == size
            np.testing.assert_array_equal(explored.labels, labels[::step, ::step])
