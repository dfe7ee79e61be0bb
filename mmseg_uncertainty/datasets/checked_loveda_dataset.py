"""LoveDA, checked file by file and divided for calibration."""
from __future__ import annotations

from typing import ClassVar

from mmseg.datasets import LoveDADataset
from mmseg.registry import DATASETS

from .checked_seg_dataset import CheckedSegDataset


@DATASETS.register_module()
class CheckedLoveDADataset(CheckedSegDataset):
    """LoveDA in the layout that mmseg's converter writes, seven classes of land cover; label 0 is void.

    Wang et al., "LoveDA: A remote sensing land-cover dataset for domain adaptive semantic segmentation", NeurIPS 2021.
    Tiles are cut from few large images that their names do not tell, so a random split of tiles says little about
    another city.

    Args:
        subset: ``'train'`` or ``'val'``; files lie in ``img_dir/<subset>`` and ``ann_dir/<subset>``.
        options: See :class:`CheckedSegDataset`.
    """

    METAINFO: ClassVar[dict] = dict(LoveDADataset.METAINFO, label_kind='classes')
    family: ClassVar[str] = 'loveda'

    def __init__(self, subset: str = 'val', **options) -> None:
        options.setdefault('data_prefix', dict(img_path=f'img_dir/{subset}', seg_map_path=f'ann_dir/{subset}'))
        super().__init__(**dict(reduce_zero_label=True) | options)
