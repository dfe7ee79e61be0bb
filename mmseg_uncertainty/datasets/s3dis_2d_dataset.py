"""Indoor scenes of six office buildings, as perspective images."""
from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from mmseg.registry import DATASETS

from mmseg_uncertainty.label_values import VOID

from .checked_seg_dataset import CheckedSegDataset
from .dataset_error import DatasetError

AREAS = ('1', '2', '3', '4', '5a', '5b', '6')
AREA_PRESETS: dict[str, tuple[str, ...]] = {
    'all': AREAS,
    'lab_train': ('1', '2', '3', '4', '6'),
    'lab_val': ('5a', ),
    'lab_test': ('5b', ),
    'fold1_train': ('1', '2', '3', '4', '6'),
    'fold1_test': ('5a', '5b'),
    'fold2_train': ('1', '3', '5a', '5b', '6'),
    'fold2_test': ('2', '4'),
    'fold3_train': ('2', '4', '5a', '5b'),
    'fold3_test': ('1', '3', '6'),
}
"""Areas by name: all, those of the lab course, and the three folds over buildings."""
ROOM = re.compile(r'^camera_[0-9a-zA-Z]+_(?P<room>.+?)_frame_')


@DATASETS.register_module()
class S3DIS2DDataset(CheckedSegDataset):
    """Stanford 2D-3D-S: perspective images with 14 classes, the first of which is ``<UNK>``.

    Armeni et al., "Joint 2D-3D-Semantic Data for Indoor Scene Understanding", 2017. Files lie in
    ``area_<A>/data/rgb/<frame>_rgb.png`` and ``area_<A>/data/<labels>/<frame>_semantic.png``. The downloaded labels
    (``labels='semantic'``) number instances by colour and need the step ``LoadInstanceColors`` in the pipeline;
    ``tools/dataset_converters/stanford_2d3ds.py`` turns them into class maps (``labels='semantic_classes'``), which load
    several times as fast with ``LoadLabels``.

    Samples are sorted by area, room and name and carry ``area`` and ``sequence``, the room; frames of one room are near
    copies of each other, so splits should be made by ``'sequence'``.

    Args:
        areas: Areas such as ``['1', '5a']`` (``'area_1'``, ``1`` and ``'5'`` for both parts of 5 do too), or one name of
            :data:`AREA_PRESETS`.
        ignore_unknown: Whether ``<UNK>`` pixels become void; the other classes keep their numbers.
        labels: Folder of the labels inside ``data``.
        options: See :class:`CheckedSegDataset`.

    Raises:
        ValueError: An area is unknown or named twice.
    """

    METAINFO: ClassVar[dict] = dict(
        classes=('<UNK>', 'beam', 'board', 'bookcase', 'ceiling', 'chair', 'clutter', 'column', 'door', 'floor', 'sofa',
                 'table', 'wall', 'window'),
        palette=[[0, 0, 0], [190, 116, 102], [64, 86, 90], [176, 36, 44], [184, 180, 84], [32, 38, 80], [182, 182, 180],
                 [62, 128, 116], [84, 106, 58], [72, 124, 154], [68, 36, 74], [62, 62, 60], [142, 90, 64], [58, 136, 64]],
        label_kind='classes')
    family: ClassVar[str] = 's3dis_2d'
    UNKNOWN = 0

    def __init__(self,
                 areas: Sequence[str | int] | str = 'all',
                 ignore_unknown: bool = True,
                 labels: str = 'semantic_classes',
                 **options) -> None:
        self.areas = area_names(areas)
        self.ignore_unknown = ignore_unknown
        self.labels = labels
        options.setdefault('image_tails', ('_rgb', ))
        options.setdefault('label_tails', ('_semantic', ))
        options.setdefault('data_prefix', dict(img_path='', seg_map_path=''))
        super().__init__(**options)
        self._metainfo['areas'] = self.areas

    def pairs(self) -> list[tuple[Path, Path]]:
        """Image and label file of every sample; see :meth:`CheckedSegDataset.pairs`."""
        return [pair for area in self.areas for pair in self._pairs_of_area(area)]

    def _pairs_of_area(self, area: str) -> list[tuple[Path, Path]]:
        folder = Path(self.data_root) / f'area_{area}' / 'data'
        if not (folder / self.labels).is_dir() and (folder / 'semantic').is_dir():
            raise DatasetError(f'{folder / self.labels} is missing, but {folder / "semantic"} is there: convert the labels '
                               'with tools/dataset_converters/stanford_2d3ds.py, or read them as they are with '
                               "labels='semantic' and the pipeline step LoadInstanceColors.")
        pairs = self.pairs_in(folder / 'rgb', folder / self.labels)
        return sorted(pairs, key=lambda pair: (room_of(pair[0]), pair[0].name))

    def _sample(self, image: Path, labels: Path) -> dict:
        sample = super()._sample(image, labels)
        if self.ignore_unknown:
            sample['label_map'] = {**(sample['label_map'] or {}), self.UNKNOWN: VOID}
        area = image.parents[2].name.rsplit('_', 1)[-1]
        return dict(sample, area=area, sequence=f'area_{area}/{room_of(image)}', label_classes=self.METAINFO['classes'])


def area_names(areas: Sequence[str | int] | str) -> tuple[str, ...]:
    """Areas in the form ``'1'`` … ``'5a'``, ``'5b'``, ``'6'``, sorted.

    Args:
        areas: See :class:`S3DIS2DDataset`.

    Raises:
        ValueError: An area is unknown or named twice, or there is none.
    """
    if isinstance(areas, str) and areas in AREA_PRESETS:
        return AREA_PRESETS[areas]
    listed = [areas] if isinstance(areas, (str, int)) else list(areas)
    names = [part for area in listed for part in _parts(str(area).removeprefix('area_'))]
    unknown = [name for name in names if name not in AREAS]
    if unknown or not names or len(set(names)) != len(names):
        raise ValueError(f'S3DIS2DDataset: areas={areas!r} names {unknown or "no area, or one twice"}; choose from '
                         f'{AREAS}, or one of the presets {tuple(AREA_PRESETS)}.')
    return tuple(sorted(names))


def _parts(area: str) -> tuple[str, ...]:
    return ('5a', '5b') if area == '5' else (area, )


def room_of(image: Path) -> str:
    """Room of an image, such as ``hallway_7``; the whole stem where the name does not tell."""
    match = ROOM.match(image.name)
    return match['room'] if match else image.stem
