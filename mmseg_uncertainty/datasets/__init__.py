from .acdc_dataset import ACDCDataset
from .anomaly_dataset import AnomalyDataset
from .camvid_as_cityscapes_dataset import CamVidAsCityscapesDataset
from .camvid_dataset import CamVidDataset
from .checked_seg_dataset import CheckedSegDataset
from .cityscapes_scenes_dataset import CityscapesScenesDataset
from .dataset_error import DatasetError
from .idd_dataset import IDDDataset
from .idd_lite_dataset import IDDLiteDataset
from .samplers import NumberedInfiniteSampler
from .toy_roads_dataset import ToyRoadsDataset
from .transforms import CORRUPTIONS, Corruptions, LoadLabels, RenderToyRoads, SeedAugmentations

__all__ = [
    'ACDCDataset', 'CORRUPTIONS', 'AnomalyDataset', 'CamVidAsCityscapesDataset', 'CamVidDataset', 'CheckedSegDataset',
    'CityscapesScenesDataset', 'Corruptions', 'DatasetError', 'IDDDataset', 'IDDLiteDataset', 'LoadLabels',
    'NumberedInfiniteSampler', 'RenderToyRoads', 'SeedAugmentations', 'ToyRoadsDataset'
]
