"""ADE20K, checked file by file and divided for calibration."""
from __future__ import annotations

from typing import ClassVar

from mmseg.datasets import ADE20KDataset
from mmseg.registry import DATASETS

from .checked_seg_dataset import CheckedSegDataset


@DATASETS.register_module()
class CheckedADE20KDataset(CheckedSegDataset):
    """ADE20K in the layout of ``ADEChallengeData2016``, 150 classes; label 0 is void.

    Zhou et al., "Scene parsing through ADE20K dataset", CVPR 2017. Photos do not depend on each other, so a random
    split (``split=dict(by='image', ...)``) is exchangeable.

    Args:
        subset: ``'training'`` or ``'validation'``; files lie in ``images/<subset>`` and ``annotations/<subset>``.
        options: See :class:`CheckedSegDataset`.
    """

    METAINFO: ClassVar[dict] = dict(ADE20KDataset.METAINFO, label_kind='classes')
    family: ClassVar[str] = 'ade20k'

    def __init__(self, subset: str = 'validation', **options) -> None:
        options.setdefault('data_prefix', dict(img_path=f'images/{subset}', seg_map_path=f'annotations/{subset}'))
        super().__init__(**dict(reduce_zero_label=True) | options)
