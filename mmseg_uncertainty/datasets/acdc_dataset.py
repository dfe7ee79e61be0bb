"""Streets in fog, at night, in rain and in snow."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmseg.registry import DATASETS

from .cityscapes_labels import CITYSCAPES_IDS, NUM_CITYSCAPES_IDS, train_id_map
from .street_scenes_dataset import StreetScenesDataset

CONDITIONS = ('fog', 'night', 'rain', 'snow')


@DATASETS.register_module()
class ACDCDataset(StreetScenesDataset):
    """ACDC by condition; every sample carries its ``condition``.

    Sakaridis et al., "ACDC: The Adverse Conditions Dataset with Correspondences for Semantic Driving Scene Understanding",
    ICCV 2021.

    Args:
        split: ``'train'`` or ``'val'`` of ``rgb_anon/<condition>/<split>/<scene>/X_rgb_anon.png`` and
            ``gt/<condition>/<split>/<scene>/X_gt_labelIds.png``.
        conditions: Some of ``'fog'``, ``'night'``, ``'rain'`` and ``'snow'``.
        options: See :class:`StreetScenesDataset`.

    Raises:
        ValueError: A condition is unknown.
    """

    family = 'acdc'

    def __init__(self, split: str = 'val', conditions: Sequence[str] = CONDITIONS, **options) -> None:
        unknown = sorted(set(conditions) - set(CONDITIONS))
        if unknown or not conditions:
            raise ValueError(f'ACDCDataset: conditions={tuple(conditions)!r}; choose from {CONDITIONS}.')
        self.split_name, self.conditions = split, tuple(conditions)
        options.setdefault('data_prefix', dict(img_path='rgb_anon', seg_map_path='gt'))
        options.setdefault('image_tails', ('_rgb_anon', ))
        options.setdefault('label_tails', ('_gt_labelIds', ))
        super().__init__(**options)

    @classmethod
    def get_label_map(cls, new_classes: Sequence[str] | None = None) -> dict[int, int]:
        """Map Cityscapes ids to train ids; the others, and what is void already, become 255."""
        return train_id_map(CITYSCAPES_IDS, NUM_CITYSCAPES_IDS)

    def pairs(self) -> list[tuple[Path, Path]]:
        """Image and label file of every sample of the chosen conditions; see :class:`CheckedSegDataset`."""
        folders = [tuple(Path(self.data_prefix[name]) / condition / self.split_name for name in ('img_path', 'seg_map_path'))
                   for condition in self.conditions]
        return [pair for images, labels in folders for pair in self.pairs_in(images, labels)]

    def load_data_list(self) -> list[dict]:
        """List the images, each with its scene and condition."""
        return [dict(sample, condition=Path(sample['img_path']).parents[2].name) for sample in super().load_data_list()]
