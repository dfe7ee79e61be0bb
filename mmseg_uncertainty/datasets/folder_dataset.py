"""Own images and labels, in two folders."""
from __future__ import annotations

from typing import ClassVar

from mmseg.registry import DATASETS

from .checked_seg_dataset import CheckedSegDataset


@DATASETS.register_module()
class FolderDataset(CheckedSegDataset):
    """Images of one folder with the class labels of another, matched by stem.

    Labels are images of class indices from 0; 255 is void. Names of the classes come by ``metainfo=dict(classes=[...])``.
    """

    METAINFO: ClassVar[dict] = dict(label_kind='classes')
