"""Street scenes that are rendered from a seed, so that nothing has to be downloaded."""
from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from .anomaly_dataset import ANOMALY_METAINFO
from .checked_seg_dataset import void_map
from .toy_roads import CLASSES, CONDITIONS

SPLITS = ('train', 'val', 'test')


@DATASETS.register_module()
class ToyRoadsDataset(BaseSegDataset):
    """Rendered street scenes with pixel-exact labels; 255 is the bonnet of the camera's own car.

    The pipeline starts with :class:`~mmseg_uncertainty.datasets.transforms.RenderToyRoads`. Image ``i`` of a split
    depends on ``seed``, ``split``, ``i``, ``size`` and ``conditions`` alone: no two splits share an image, and every
    machine and worker renders the same one.

    Args:
        length: Number of images.
        split: ``'train'``, ``'val'`` or ``'test'``.
        seed: Another seed gives other streets; non-negative.
        size: Height and width of the images in pixels.
        anomalies: Put one to three unknown objects (animals, cartons, tyres, chairs, odd shapes) on every street and
            label 0 = in-distribution, 1 = anomaly, 255 = ignore.
        conditions: Light conditions to draw from: ``'sunny'``, ``'overcast'``, ``'dusk'``, ``'night'``; ``None`` takes
            all.
        options: See :class:`mmseg.datasets.BaseSegDataset`.

    Raises:
        ValueError: If an option is out of range.
    """

    METAINFO: ClassVar[dict] = dict(
        classes=CLASSES,
        palette=[[128, 64, 128], [244, 35, 232], [70, 70, 70], [70, 130, 180], [107, 142, 35], [0, 0, 142],
                 [220, 20, 60], [153, 153, 153]],
        label_kind='classes')
    family = 'toy_roads'

    def __init__(self,
                 length: int = 100,
                 split: str = 'train',
                 seed: int = 0,
                 size: tuple[int, int] = (160, 256),
                 anomalies: bool = False,
                 conditions: Sequence[str] | None = None,
                 **options) -> None:
        self.conditions = tuple(CONDITIONS) if conditions is None else tuple(conditions)
        _check(length, split, seed, size, self.conditions)
        self.length = length
        self.split = split
        self.seed = seed
        self.size = tuple(size)
        self.anomalies = anomalies
        if anomalies:
            options['metainfo'] = {key: ANOMALY_METAINFO[key] for key in ('classes', 'palette')}
        self.name = 'toy_roads_anomaly' if anomalies else 'toy_roads'
        super().__init__(**options)
        self._metainfo.setdefault('dataset_name', self.name)
        if anomalies:
            # Given as an option, mmengine would look for a file of that name.
            self._metainfo['label_kind'] = ANOMALY_METAINFO['label_kind']

    @classmethod
    def get_label_map(cls, new_classes: Sequence[str] | None = None) -> dict | None:
        """Map of class indices for chosen classes; anomaly labels need none."""
        return None if new_classes == ANOMALY_METAINFO['classes'] else super().get_label_map(new_classes)

    def load_data_list(self) -> list[dict]:
        """Describe every image; rendering happens in the pipeline."""
        return [
            dict(
                img_path=f'{self.name}/{self.split}/{index:05d}',
                scene=f'{self.seed}/{self.split}/{index:05d}',
                render=dict(
                    key=[self.seed, SPLITS.index(self.split), index],
                    size=self.size,
                    anomalies=self.anomalies,
                    conditions=self.conditions),
                label_map=void_map(self.label_map, self.ignore_index),
                reduce_zero_label=False,
                seg_fields=[]) for index in range(self.length)
        ]


def _check(length: int, split: str, seed: int, size: tuple[int, int], conditions: Sequence[str]) -> None:
    if length < 1:
        raise ValueError(f'ToyRoadsDataset: length={length} is out of range; choose at least 1.')
    if split not in SPLITS:
        raise ValueError(f'ToyRoadsDataset: split={split!r} is unknown; choose from {SPLITS}.')
    if seed < 0:
        raise ValueError(f'ToyRoadsDataset: seed={seed} is negative; choose 0 or more.')
    if min(size) < 32:
        raise ValueError(f'ToyRoadsDataset: size={tuple(size)} is too small; choose at least 32 pixels for both sides.')
    unknown = set(conditions) - set(CONDITIONS)
    if unknown or not conditions:
        raise ValueError(f'ToyRoadsDataset: conditions={tuple(conditions)} names unknown ones or none; choose from '
                         f'{tuple(CONDITIONS)}.')
