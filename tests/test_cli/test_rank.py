"""The strangest images come first, whoever measures them, and nothing is measured twice."""
import csv
import json
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS
from PIL import Image
from pycocotools.coco import COCO

from mmseg_uncertainty.apis import measuring_engines
from mmseg_uncertainty.apis.uncertainty_inferencer import UncertaintyInferencer
from mmseg_uncertainty.cli import call
from tests.test_datasets.small_files import write_image
from tests.tiny import tiny_base, tiny_posthoc

CALL = ('photos', 'tiny.py', 'tiny.pth', '--device', 'cpu', '--statistic', 'energy', '--top', '6')
MEASURED = 'work_dirs/rank/measured/*/*.npz'


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A model, and 12 photos, of which four are copies of one but for a pixel."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr('mmseg_uncertainty.apis.image_ranking.PART_SIZE', 5)
    measuring_engines.measurer.cache_clear()
    torch.manual_seed(0)
    torch.save(dict(state_dict=MODELS.build(Config(tiny_base())).state_dict(), meta={}), 'tiny.pth')
    heads = dict(energy=dict(type='EnergyHead'), msp=dict(type='MSPHead'))
    Config(dict(default_scope='mmseg', model=tiny_posthoc(heads),
                test_pipeline=[dict(type='LoadImageFromFile'), dict(type='PackSegInputs')])).dump('tiny.py')
    for index in range(8):
        write_image(tmp_path / f'photos/day/{index}.png', (32, 40 + index), seed=index)
    copy = np.full((32, 40, 3), 128, np.uint8)
    Path('photos/night').mkdir()
    for index in range(4):
        copy[0, 0] = index
        cv2.imwrite(f'photos/night/{index}.png', copy)
    return tmp_path


def ranked(*options):
    """Rows of the ranking, and names to label in their order."""
    call('rank', (*CALL, *options))
    with open('work_dirs/rank/ranking.csv', newline='') as file:
        rows = list(csv.DictReader(file))
    return rows, [Path(line).name for line in Path('work_dirs/rank/chosen.txt').read_text().splitlines()]


def test_images_are_in_the_order_of_their_statistic_and_all_lists_agree(tiny):
    rows, chosen = ranked()
    alone = UncertaintyInferencer('tiny.py', 'tiny.pth', 'cpu', show_progress=False)
    expected = [summary['uncertainty']['energy']['mean'] for summary in alone([row['image'] for row in rows])['predictions']]
    assert expected == [float(row['energy']) for row in rows] == sorted(expected, reverse=True)
    assert len(rows) == 12 and chosen == [Path(row['image']).name for row in rows[:6]]
    coco = COCO('work_dirs/rank/coco.json')
    images = coco.loadImgs(range(1, 7))
    assert [image['rank'] for image in images] == list(range(1, 7)) and len(coco.cats) == 5
    for image, entry in zip(images, ElementTree.parse('work_dirs/rank/cvat.xml').getroot().iter('image')):
        assert entry.get('name') == image['file_name'] and image['energy'] == float(rows[image['rank'] - 1]['energy'])
        assert Image.open(tiny / 'photos' / entry.get('name')).size == (int(entry.get('width')), int(entry.get('height')))
    sheet = np.array(Image.open('work_dirs/rank/contact_sheet_1.jpg'))
    assert sheet.shape[0] > 2 * 195 and sheet.std() > 20


def test_diversity_leaves_out_copies(tiny):
    first, diverse = ranked('--top', '9')[1], ranked('--top', '9', '--diversity', '2')[1]
    names = [image['file_name'] for image in json.loads(Path('work_dirs/rank/coco.json').read_text())['images']]
    assert sum('night' in name for name in names) == 1 and len(names) == len(diverse) == len(first) == 9
    assert diverse[0] == first[0]


def test_a_run_that_was_stopped_goes_on(tiny, monkeypatch):
    measure, calls = UncertaintyInferencer.__call__, []

    def stopped(self, *args, **options):
        calls.append(args)
        if len(calls) == 8:
            raise KeyboardInterrupt
        return measure(self, *args, **options)

    monkeypatch.setattr(UncertaintyInferencer, '__call__', stopped)
    with pytest.raises(KeyboardInterrupt):
        ranked()
    first = ranked()
    assert len(calls) == 8 + 7 + 6  # Five were kept; six go onto the contact sheet.
    assert ranked('--statistic', 'msp')[0] != first[0] and len(calls) == 21 + 6
    write_image(tiny / 'photos/day/0.png', (32, 40), seed=99)
    ranked()
    assert len(calls) == 27 + 1 + 6


@pytest.mark.parametrize('engine', ['debug', pytest.param('ray', marks=pytest.mark.skipif(
    find_spec('ray') is None, reason='ray is not installed; pip install "mmseg_uncertainty[ray]"'))])
def test_engines_find_what_one_process_finds(tiny, engine):
    if engine == 'debug':
        pytest.importorskip('submitit', reason='needs the extra slurm')
    here = ranked('--diversity', '2'), kept()
    for path in Path().glob(MEASURED):
        path.unlink()
    measuring_engines.measurer.cache_clear()
    assert (ranked('--diversity', '2', '--cluster', engine, '--workers', '2'), kept()) == here


def kept():
    """What was measured, bit for bit."""
    return {path.name: path.read_bytes() for path in Path().glob(MEASURED)}


def test_broken_files_are_named_or_left_out(tiny, capsys):
    Path('photos/day/0.png').write_bytes(b'no picture')
    with pytest.raises(ValueError, match='day/0.png'):
        ranked()
    assert len(ranked('--skip-broken')[0]) == 11 and '1 could not be read' in capsys.readouterr().out


@pytest.mark.parametrize('words, message', [
    (('photos', 'tiny.py', 'tiny.pth', '--statistic', 'energi'), 'Did you mean energy'), (('nowhere', 'tiny.py'), 'nowhere')])
def test_what_cannot_be_ranked_is_named(tiny, words, message):
    with pytest.raises(ValueError, match=message):
        call('rank', words)
