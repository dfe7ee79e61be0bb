"""Driving scenes from Indian roads, in the small version."""
from __future__ import annotations

from typing import ClassVar

from mmseg.registry import DATASETS

from .checked_seg_dataset import CheckedSegDataset


@DATASETS.register_module()
class IDDLiteDataset(CheckedSegDataset):
    """IDD-lite: seven classes, 255 = ignore, images 320×227.

    Varma et al., "IDD: A Dataset for Exploring Problems of Autonomous Navigation in Unconstrained Environments", WACV
    2019.

    Args:
        split: ``'train'`` or ``'val'``; files lie in ``images/<split>`` and ``labels/<split>``. The official download
            (``leftImg8bit/<split>/*/X_image.jpg``, ``gtFine/<split>/*/X_label.png``) is read by giving ``data_prefix``.
        options: See :class:`CheckedSegDataset`.
    """

    METAINFO: ClassVar[dict] = dict(
        classes=('drivable', 'non-drivable', 'living things', 'vehicles', 'roadside objects', 'far objects', 'sky'),
        palette=[[128, 64, 128], [244, 35, 232], [220, 20, 60], [0, 0, 142], [190, 153, 153], [70, 70, 70],
                 [70, 130, 180]],
        label_kind='classes')

    def __init__(self, split: str = 'val', **options) -> None:
        options.setdefault('data_prefix', dict(img_path=f'images/{split}', seg_map_path=f'labels/{split}'))
        options.setdefault('image_tails', ('_image', ))
        options.setdefault('label_tails', ('_label', ))
        super().__init__(**options)
