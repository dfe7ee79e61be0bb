"""Images with unknown objects, labelled per pixel."""
from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from mmseg.registry import DATASETS

from .checked_seg_dataset import CheckedSegDataset
from .dataset_error import DatasetError

ANOMALY_METAINFO = dict(
    classes=('in-distribution', 'anomaly'), palette=[[70, 130, 180], [255, 60, 0]], label_kind='anomaly')

FOLDERS = {
    'folder': ('images', 'labels'),
    'segment_me_if_you_can': ('images', 'labels_masks'),
    'cityscapes': ('leftImg8bit/val', 'gtFine/val'),
    'fishyscapes_lost_and_found': ('leftImg8bit', 'fishyscapes_lostandfound'),
}
LABEL_TAILS = ('_labels_semantic', '_gtFine_labelTrainIds', '_labels')
IMAGE_TAILS = ('_leftImg8bit', )


@DATASETS.register_module()
class AnomalyDataset(CheckedSegDataset):
    """Anomaly segmentation: label 0 in-distribution, 1 anomaly, 255 ignore.

    Args:
        data_root: Folder of the data.
        layout: Where images and labels lie below ``data_root``.

            - ``'folder'``: ``images/`` and ``labels/``, matched by stem, every image labelled. The converters write
              this layout.
            - ``'segment_me_if_you_can'``: ``images/`` and ``labels_masks/X_labels_semantic.png`` as downloaded (also
              RoadAnomaly21 and RoadObstacle21); images without labels are the benchmark's hidden test set and are left
              out.
            - ``'cityscapes'``: ``leftImg8bit/val/**/X_leftImg8bit.png`` and
              ``gtFine/val/**/X_gtFine_labelTrainIds.png``.
            - ``'fishyscapes_lost_and_found'``: the masks of Fishyscapes in ``fishyscapes_lostandfound/`` beside
              ``leftImg8bit/`` of Lost and Found, both as downloaded.
            - ``'auto'``: the first of these whose two folders exist.
        options: See :class:`CheckedSegDataset`.

    Raises:
        DatasetError: If the folders are missing or empty, or files do not pair up.
    """

    METAINFO: ClassVar[dict] = ANOMALY_METAINFO

    def __init__(self, data_root: str, layout: str = 'auto', **options) -> None:
        if layout != 'auto' and layout not in FOLDERS:
            raise ValueError(f'AnomalyDataset: layout={layout!r} is unknown; choose from {["auto", *FOLDERS]}.')
        self.layout = find_layout(data_root) if layout == 'auto' else layout
        images, labels = FOLDERS[self.layout]
        options.setdefault('data_prefix', dict(img_path=images, seg_map_path=labels))
        super().__init__(
            data_root=str(data_root),
            image_tails=options.pop('image_tails', IMAGE_TAILS),
            label_tails=options.pop('label_tails', LABEL_TAILS),
            **options)

    def pairs(self) -> list[tuple[Path, Path]]:
        """Image and label file of every sample; see :meth:`CheckedSegDataset.pairs`."""
        if self.layout in ('folder', 'cityscapes'):
            return super().pairs()
        images, labels = self.images_in(self.data_prefix['img_path']), self.labels_in(self.data_prefix['seg_map_path'])
        if self.layout == 'fishyscapes_lost_and_found':
            images = {Path(key).name: path for key, path in images.items()}
            labels = {key.partition('_')[2]: path for key, path in labels.items()}
        # Labels of images that ann_file leaves out are no fault.
        missing = [] if self.ann_file else [str(path) for key, path in labels.items() if key not in images]
        if missing and not self.skip_broken:
            raise DatasetError(f'{missing[0]} has no image in {self.data_prefix["img_path"]} ({len(missing)} of '
                               f'{len(labels)} labels lack one). Add the images, or pass --skip-broken (dataset option '
                               'skip_broken=True) to leave such labels out.')
        self.skipped += missing
        return [(images[key], path) for key, path in labels.items() if key in images]


def find_layout(data_root: str | Path) -> str:
    """Name of the first layout whose folders exist below ``data_root``.

    Raises:
        DatasetError: If there is none.
    """
    root = Path(data_root)
    for layout, folders in FOLDERS.items():
        if all((root / folder).is_dir() for folder in folders):
            return layout
    state = 'does not exist' if not root.is_dir() else 'holds none of the known layouts'
    expected = '; '.join(f'{images}/ and {labels}/' for images, labels in FOLDERS.values())
    raise DatasetError(f'Data folder {root} {state}. Expected one of: {expected}. Check the path given with '
                       '--data-root (dataset option data_root), or run the converter in tools/dataset_converters.')
