"""Where names and colours of classes come from."""
from mmengine.config import Config

from mmseg_uncertainty.apis.dataset_meta import dataset_meta

DATASET = Config(dict(test_dataloader=dict(dataset=dict(metainfo=dict(classes=('road', 'car'), palette=[[1, 2, 3], [4, 5, 6]])))))


def test_names_of_the_model_come_first_and_keep_the_colours_of_the_same_names():
    assert dataset_meta(2, {}, DATASET, ['road', 'car'])['palette'] == [[1, 2, 3], [4, 5, 6]]
    other = dataset_meta(2, {}, DATASET, ['car', 'road'])
    assert other['classes'] == ['car', 'road'] and other['palette'] != [[1, 2, 3], [4, 5, 6]]


def test_a_model_without_names_takes_those_of_its_data():
    assert dataset_meta(2, {}, DATASET)['classes'] == ['road', 'car']
    assert dataset_meta(3, {}, DATASET)['classes'] == ['class 0', 'class 1', 'class 2']
