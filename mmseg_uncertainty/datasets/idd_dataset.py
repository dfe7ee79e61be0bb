"""Driving scenes from Indian roads, labelled as Cityscapes is."""
from __future__ import annotations

from collections.abc import Sequence

from mmseg.registry import DATASETS

from .cityscapes_labels import IDD_LEVEL3_IDS, IDD_NOVEL_IDS, NUM_IDD_LEVEL3_IDS, train_id_map
from .street_scenes_dataset import StreetScenesDataset

NOVEL_OFFSET = 100


@DATASETS.register_module()
class IDDDataset(StreetScenesDataset):
    """IDD with level-3 labels, translated to the 19 Cityscapes classes; ids without a counterpart become void.

    Varma et al., "IDD: A Dataset for Exploring Problems of Autonomous Navigation in Unconstrained Environments", WACV
    2019. The correspondence is that of de Jorge et al., "Reliability in Semantic Segmentation", CVPR 2023.

    Args:
        split: ``'train'`` or ``'val'`` of ``leftImg8bit/<split>/*/X_leftImg8bit.png`` (or ``.jpg``) and
            ``gtFine/<split>/*/X_gtFine_labellevel3Ids.png``.
        keep_novel: Keep autorickshaws, guard rails, billboards, bridges and tunnels apart as labels 100 + id, for
            ``--eval OOD-local``; other evaluators count them as void.
        options: See :class:`StreetScenesDataset`; ``scenes`` are numbers of drives.
    """

    family = 'idd'

    def __init__(self, split: str = 'val', keep_novel: bool = False, **options) -> None:
        options.setdefault('data_prefix', dict(img_path=f'leftImg8bit/{split}', seg_map_path=f'gtFine/{split}'))
        options.setdefault('image_tails', ('_leftImg8bit', ))
        options.setdefault('label_tails', ('_gtFine_labellevel3Ids', ))
        self.keep_novel = keep_novel
        super().__init__(**options)
        if keep_novel:
            self._metainfo['novel_labels'] = tuple(self.novel_map().values())

    @staticmethod
    def novel_map() -> dict[int, int]:
        """Labels of objects unknown to Cityscapes by their level-3 id."""
        return {index: NOVEL_OFFSET + index for index in IDD_NOVEL_IDS}

    @classmethod
    def get_label_map(cls, new_classes: Sequence[str] | None = None) -> dict[int, int]:
        """Map level-3 ids to Cityscapes train ids; the others, and what is void already, become 255."""
        return train_id_map(IDD_LEVEL3_IDS, NUM_IDD_LEVEL3_IDS)

    def load_data_list(self) -> list[dict]:
        """List the images of the wanted scenes; see :class:`StreetScenesDataset`."""
        if self.keep_novel:
            self.label_map = self.label_map | self.novel_map()
        return super().load_data_list()
