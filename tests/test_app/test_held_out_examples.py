"""Examples are images that the model has not seen."""
import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from mmseg_uncertainty.app.held_out_examples import folder_examples, test_examples as examples_of_test
from mmseg_uncertainty.datasets import DatasetError
from mmseg_uncertainty.datasets.scene_overlap import SceneOverlapError, dataset_contents
from mmseg_uncertainty.datasets.toy_roads_dataset import ToyRoadsDataset

TOY_ROADS = dict(type='ToyRoadsDataset', split='test', length=5, size=(64, 96), test_mode=True,
                 pipeline=[dict(type='RenderToyRoads'), dict(type='PackSegInputs')])


def config_of(**changes):
    return Config(dict(test_dataloader=dict(dataset={**TOY_ROADS, **changes})))


def test_test_images_come_with_their_labels():
    examples = examples_of_test(config_of(), 3)
    assert [example.name for example in examples] == ['00000', '00002', '00004']
    assert all(example.image.shape == (64, 96, 3) and example.truth.shape == (64, 96) for example in examples)


def test_a_model_calibrated_on_test_images_has_none():
    seen = dataset_contents(ToyRoadsDataset(split='test', length=2))
    with pytest.raises(SceneOverlapError, match='calibrated on 2 images'):
        examples_of_test(config_of(), 3, seen)
    unseen = dataset_contents(ToyRoadsDataset(split='val', length=2))
    assert len(examples_of_test(config_of(), 2, unseen)) == 2


def test_data_that_are_not_at_hand_give_none(tmp_path):
    missing = Config(dict(test_dataloader=dict(dataset=dict(
        type='AnomalyDataset', data_root=str(tmp_path / 'nothing'), pipeline=[]))))
    assert examples_of_test(missing, 3) == []
    assert examples_of_test(Config(dict()), 3) == []


def test_folders_leave_out_calibration_images(tmp_path):
    for name in 'abc':
        Image.fromarray(np.zeros((4, 5, 3), np.uint8)).save(tmp_path / f'{name}.png')
    examples = folder_examples(tmp_path, 5, dict(images=['images/b.png']))
    assert [example.name for example in examples] == ['a', 'c'] and examples[0].truth is None
    with pytest.raises(DatasetError, match='names of calibration images'):
        folder_examples(tmp_path, 5, dict(images=['a.png', 'b.png', 'c.png']))
