from mmseg_uncertainty import connected  # noqa: F401

from .acdc_dataset import ACDCDataset
from .ade_ood_dataset import ADEOoDDataset
from .anomaly_dataset import AnomalyDataset
from .bdd_anomaly_dataset import BDDAnomalyDataset
from .benchmark_dataset import BenchmarkDataset
from .bravo_dataset import BravoDataset
from .calibration_plan import CalibrationPlan
from .camvid_as_cityscapes_dataset import CamVidAsCityscapesDataset
from .camvid_dataset import CamVidDataset
from .checked_ade20k_dataset import CheckedADE20KDataset
from .checked_loveda_dataset import CheckedLoveDADataset
from .checked_seg_dataset import CheckedSegDataset
from .cityscapes_scenes_dataset import CityscapesScenesDataset
from .coco_category_dataset import COCOCategoryDataset
from .dataset_error import DatasetError
from .folder_dataset import FolderDataset
from .idd_dataset import IDDDataset
from .idd_lite_dataset import IDDLiteDataset
from .lost_and_found_dataset import LostAndFoundDataset
from .muad_dataset import MUADDataset
from .s3dis_2d_dataset import S3DIS2DDataset
from .samplers import NumberedInfiniteSampler
from .smiyc_dataset import SmiycDataset
from .street_hazards_dataset import StreetHazardsDataset
from .toy_roads_dataset import ToyRoadsDataset
from .transforms import (CORRUPTIONS, Corruptions, LoadBravoLabels, LoadInstanceColors, LoadLabels, MarkInliers, MaskObjectDropout,
                         PasteOutliers, RenderToyRoads, SeedAugmentations)
from .unlabelled_folder_dataset import UnlabelledFolderDataset

__all__ = [
    'ACDCDataset', 'ADEOoDDataset', 'AnomalyDataset', 'BDDAnomalyDataset', 'BenchmarkDataset', 'BravoDataset',
    'CalibrationPlan', 'CamVidAsCityscapesDataset', 'CamVidDataset', 'CheckedADE20KDataset',
    'CheckedLoveDADataset', 'CheckedSegDataset', 'CityscapesScenesDataset', 'COCOCategoryDataset', 'Corruptions',
    'CORRUPTIONS', 'DatasetError', 'FolderDataset', 'IDDDataset', 'IDDLiteDataset', 'LoadBravoLabels',
    'LoadInstanceColors', 'LoadLabels', 'LostAndFoundDataset', 'MarkInliers', 'MaskObjectDropout', 'MUADDataset',
    'NumberedInfiniteSampler', 'PasteOutliers', 'RenderToyRoads', 'S3DIS2DDataset', 'SeedAugmentations',
    'SmiycDataset', 'StreetHazardsDataset', 'ToyRoadsDataset', 'UnlabelledFolderDataset'
]
