"""CamVid with its labels translated to the classes of Cityscapes."""
from __future__ import annotations

from collections.abc import Sequence

from mmseg.datasets import CityscapesDataset
from mmseg.registry import DATASETS

from mmseg_uncertainty.label_values import VOID

from .camvid_dataset import CamVidDataset

TRAIN_IDS = dict(sky=10, building=2, pole=5, road=0, pavement=1, tree=8, sign=7, fence=4, car=13, pedestrian=11)


@DATASETS.register_module()
class CamVidAsCityscapesDataset(CamVidDataset):
    """Fit heads of a model with the 19 Cityscapes classes on CamVid.

    Each CamVid class becomes the Cityscapes class of the same meaning. A CamVid bicyclist is rider and bicycle at once
    in Cityscapes, so it becomes void. CamVid counts buses and trucks as cars and walls as buildings or fences, so some
    right predictions of those rare classes count as wrong.
    """

    METAINFO = dict(**CityscapesDataset.METAINFO, label_kind='classes')

    @classmethod
    def get_label_map(cls, new_classes: Sequence[str] | None = None) -> dict[int, int]:
        """Map the labels of the files to Cityscapes train ids; bicyclist and void become 255."""
        names = CamVidDataset.METAINFO['classes']
        return {**{index: TRAIN_IDS.get(name, VOID) for index, name in enumerate(names)}, cls.VOID: VOID}
