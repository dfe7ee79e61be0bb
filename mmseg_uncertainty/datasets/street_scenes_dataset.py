"""Base of street datasets that lie in one folder per scene and are labelled as Cityscapes is."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from mmseg.datasets import CityscapesDataset

from .checked_seg_dataset import CheckedSegDataset
from .dataset_error import DatasetError


class StreetScenesDataset(CheckedSegDataset):
    """Choose images by the scene they were taken in; the folder of an image names its scene.

    Args:
        scenes: Names of the scenes to keep, such as ``('munster', 'lindau')``; ``None`` keeps all.
        options: See :class:`CheckedSegDataset`.

    Raises:
        DatasetError: A wanted scene has no image.
    """

    METAINFO: ClassVar[dict] = dict(**CityscapesDataset.METAINFO, label_kind='classes')

    def __init__(self, scenes: Sequence[str | int] | None = None, **options) -> None:
        self.scenes = None if scenes is None else tuple(map(str, scenes))
        super().__init__(**options)

    def load_data_list(self) -> list[dict]:
        """List the images of the wanted scenes, each with its scene."""
        samples = [dict(sample, scene=Path(sample['img_path']).parent.name) for sample in super().load_data_list()]
        if self.scenes is None:
            return samples
        present = {sample['scene'] for sample in samples}
        absent = sorted(set(self.scenes) - present)
        if absent:
            raise DatasetError(f'{type(self).__name__}: no image of scene {", ".join(absent[:5])} in '
                               f'{self.data_prefix["img_path"]}, which holds {_short(sorted(present))}. Complete the data, or '
                               'name other scenes.')
        return [sample for sample in samples if sample['scene'] in self.scenes]


def _short(names: Sequence[str], most: int = 12) -> str:
    return ', '.join(names[:most]) + (f' and {len(names) - most} more' if len(names) > most else '')
