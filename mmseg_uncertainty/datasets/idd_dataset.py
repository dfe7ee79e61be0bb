"""Driving scenes from Indian roads, labelled as Cityscapes is."""
from __future__ import annotations

from collections.abc import Sequence

from mmseg.datasets import CityscapesDataset
from mmseg.registry import DATASETS

from .checked_seg_dataset import CheckedSegDataset

# Level-3 ids of IDD with a counterpart among the 19 classes; no id stands for terrain (9) or train (16).
TRAIN_IDS = {0: 0, 2: 1, 22: 2, 14: 3, 15: 4, 20: 5, 19: 6, 18: 7, 24: 8, 25: 10, 4: 11, 5: 12, 9: 13, 10: 14, 11: 15, 6: 17,
             7: 18}
NUM_LEVEL3_IDS = 26


@DATASETS.register_module()
class IDDDataset(CheckedSegDataset):
    """IDD with level-3 labels, translated to the 19 Cityscapes classes; ids without a counterpart become void.

    Varma et al., "IDD: A Dataset for Exploring Problems of Autonomous Navigation in Unconstrained Environments", WACV
    2019. The correspondence is that of de Jorge et al., "Reliability in Semantic Segmentation", CVPR 2023.

    Args:
        split: ``'train'`` or ``'val'`` of ``leftImg8bit/<split>/*/X_leftImg8bit.png`` (or ``.jpg``) and
            ``gtFine/<split>/*/X_gtFine_labellevel3Ids.png``.
        options: See :class:`CheckedSegDataset`.
    """

    METAINFO = dict(**CityscapesDataset.METAINFO, label_kind='classes')

    def __init__(self, split: str = 'val', **options) -> None:
        options.setdefault('data_prefix', dict(img_path=f'leftImg8bit/{split}', seg_map_path=f'gtFine/{split}'))
        options.setdefault('image_tails', ('_leftImg8bit', ))
        options.setdefault('label_tails', ('_gtFine_labellevel3Ids', ))
        super().__init__(**options)

    @classmethod
    def get_label_map(cls, new_classes: Sequence[str] | None = None) -> dict[int, int]:
        """Map level-3 ids to Cityscapes train ids; the others, and what is void already, become 255."""
        return {index: TRAIN_IDS.get(index, 255) for index in (*range(NUM_LEVEL3_IDS), 255)}
