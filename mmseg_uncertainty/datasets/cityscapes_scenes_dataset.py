"""Cityscapes by city, from its official label files."""
from __future__ import annotations

from collections.abc import Sequence

from mmseg.registry import DATASETS

from .cityscapes_labels import CITYSCAPES_IDS, NUM_CITYSCAPES_IDS, train_id_map
from .street_scenes_dataset import StreetScenesDataset


@DATASETS.register_module()
class CityscapesScenesDataset(StreetScenesDataset):
    """Cityscapes with a choice of cities, read from ``*_gtFine_labelIds.png`` as downloaded.

    Its test labels are not public, so de Jorge et al. ("Reliability in Semantic Segmentation", CVPR 2023) divide the
    validation images: munster and lindau (233) calibrate, frankfurt (267) tests.

    Args:
        split: ``'train'`` or ``'val'`` of ``leftImg8bit/<split>/<city>/X_leftImg8bit.png`` and
            ``gtFine/<split>/<city>/X_gtFine_labelIds.png``.
        options: See :class:`StreetScenesDataset`; ``scenes`` are cities.
    """

    family = 'cityscapes'

    def __init__(self, split: str = 'val', **options) -> None:
        options.setdefault('data_prefix', dict(img_path=f'leftImg8bit/{split}', seg_map_path=f'gtFine/{split}'))
        options.setdefault('image_tails', ('_leftImg8bit', ))
        options.setdefault('label_tails', ('_gtFine_labelIds', ))
        super().__init__(**options)

    @classmethod
    def get_label_map(cls, new_classes: Sequence[str] | None = None) -> dict[int, int]:
        """Map Cityscapes ids to train ids; the others, and what is void already, become 255."""
        return train_id_map(CITYSCAPES_IDS, NUM_CITYSCAPES_IDS)
