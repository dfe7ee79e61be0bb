"""One category of MS-COCO against everything else."""
from __future__ import annotations

from typing import ClassVar

from mmseg.registry import DATASETS

from .checked_seg_dataset import CheckedSegDataset

PARTS = ('train', 'val', 'calibration', 'test')


@DATASETS.register_module()
class COCOCategoryDataset(CheckedSegDataset):
    """Images that show a category of COCO, its pixels as class 1, as ``tools/dataset_converters/coco.py`` writes them.

    Lin et al., "Microsoft COCO: Common objects in context", ECCV 2014. All images have one size, so that positions
    compare; what was added at their borders is void.

    Args:
        part: ``'train'``, ``'val'``, ``'calibration'`` or ``'test'``; files lie in ``<part>/images`` and
            ``<part>/labels``.
        category: Name of the category, for tables and pictures.
        options: See :class:`CheckedSegDataset`.

    Raises:
        ValueError: ``part`` is unknown.
    """

    METAINFO: ClassVar[dict] = dict(
        classes=('background', 'person'), palette=[[70, 70, 70], [220, 20, 60]], label_kind='classes')
    family: ClassVar[str] = 'coco'

    def __init__(self, part: str = 'test', category: str = 'person', **options) -> None:
        if part not in PARTS:
            raise ValueError(f'COCOCategoryDataset: part={part!r} must be one of {PARTS}.')
        options.setdefault('data_prefix', dict(img_path=f'{part}/images', seg_map_path=f'{part}/labels'))
        super().__init__(metainfo=dict(classes=('background', category)), **options)

    @classmethod
    def get_label_map(cls, new_classes=None) -> None:
        """Labels are 0, 1 and 255 already, whatever the category is called."""
