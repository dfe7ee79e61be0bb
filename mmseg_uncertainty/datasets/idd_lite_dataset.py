"""Driving scenes from Indian roads, in the small version."""
from __future__ import annotations

from typing import ClassVar

from mmseg.registry import DATASETS

from .checked_seg_dataset import CheckedSegDataset

DRIVABLE, NON_DRIVABLE, LIVING, VEHICLES, ROADSIDE, FAR, SKY = range(7)
# IDD-lite class of each class of a model, in the order of the model.
CLASS_GROUPS = dict(
    camvid=(SKY, FAR, ROADSIDE, DRIVABLE, NON_DRIVABLE, FAR, ROADSIDE, ROADSIDE, VEHICLES, LIVING, LIVING),
    cityscapes=(DRIVABLE, NON_DRIVABLE, FAR, ROADSIDE, ROADSIDE, ROADSIDE, ROADSIDE, ROADSIDE, FAR, NON_DRIVABLE, SKY, LIVING,
                LIVING, VEHICLES, VEHICLES, VEHICLES, VEHICLES, VEHICLES, VEHICLES))


@DATASETS.register_module()
class IDDLiteDataset(CheckedSegDataset):
    """IDD-lite: seven classes, 255 = ignore, images 320×227.

    Varma et al., "IDD: A Dataset for Exploring Problems of Autonomous Navigation in Unconstrained Environments", WACV
    2019.

    Args:
        split: ``'train'`` or ``'val'``; files lie in ``images/<split>`` and ``labels/<split>``. The official download
            (``leftImg8bit/<split>/*/X_image.jpg``, ``gtFine/<split>/*/X_label.png``) is read by giving ``data_prefix``.
        model_classes: ``'camvid'`` or ``'cityscapes'`` measures a model with those classes: evaluators add up the
            probabilities of its classes that make up one of the seven. A bicyclist of CamVid counts as a living thing.
        options: See :class:`CheckedSegDataset`.

    Raises:
        ValueError: The classes of the model are unknown.
    """

    METAINFO: ClassVar[dict] = dict(
        classes=('drivable', 'non-drivable', 'living things', 'vehicles', 'roadside objects', 'far objects', 'sky'),
        palette=[[128, 64, 128], [244, 35, 232], [220, 20, 60], [0, 0, 142], [190, 153, 153], [70, 70, 70],
                 [70, 130, 180]],
        label_kind='classes')
    family = 'idd_lite'

    def __init__(self, split: str = 'val', model_classes: str | None = None, **options) -> None:
        if model_classes is not None and model_classes not in CLASS_GROUPS:
            raise ValueError(f'IDDLiteDataset: model_classes={model_classes!r} is unknown; choose from {tuple(CLASS_GROUPS)}, or '
                             'leave it out for a model with the seven classes.')
        options.setdefault('data_prefix', dict(img_path=f'images/{split}', seg_map_path=f'labels/{split}'))
        options.setdefault('image_tails', ('_image', ))
        options.setdefault('label_tails', ('_label', ))
        super().__init__(**options)
        if model_classes is not None:
            self._metainfo['class_groups'] = CLASS_GROUPS[model_classes]
