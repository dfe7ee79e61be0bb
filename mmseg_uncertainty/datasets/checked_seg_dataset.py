"""Image folders with labels, checked so that every fault is named."""
from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import cv2
import mmcv
import mmengine.fileio as fileio
from mmengine.logging import print_log
from mmseg.datasets import BaseSegDataset

from mmseg_uncertainty.label_values import VOID

from .dataset_error import DatasetError
from .image_files import SKIP_HINT, check_image_file, check_labels, index_by_stem, read_labels
from .splits import name_scene, split_samples



class CheckedSegDataset(BaseSegDataset):
    """Pair images and labels by stem and name the file of every fault.

    Missing folders and files are found at construction, the rest when an image is loaded, together with the
    :class:`~mmseg_uncertainty.datasets.transforms.LoadLabels` step of the pipeline.

    Args:
        ann_file: File that lists the images to take, one a line, by their paths below the image folder, with or without
            suffix; ``''`` takes all.
        img_suffix: End of the image names to take, which labels replace by ``seg_map_suffix``; ``None`` takes all images.
        seg_map_suffix: End of the label names; ``None`` takes all images.
        ignore_index: Class that shall not count, or 255: its pixels become void, which is 255.
        skip_broken: Read everything once at construction, leave out what cannot be used, and log how many that are.
        image_tails: Endings of image stems that their labels lack, such as ``'_leftImg8bit'``.
        label_tails: Endings of label stems that their images lack, such as ``'_labels_semantic'``.
        split: Options of :func:`~mmseg_uncertainty.datasets.splits.split_samples`, to keep only the images for calibration
            or for test; ``None`` keeps all.
        options: See :class:`mmseg.datasets.BaseSegDataset`.

    Attributes:
        family: Name of the data whose images this class reads; classes that read the same images share it. Images of one
            family that are named alike, or taken in one scene, must not both calibrate and test.
    """

    family: ClassVar[str | None] = None

    def __init__(self,
                 ann_file: str = '',
                 img_suffix: str | None = None,
                 seg_map_suffix: str | None = None,
                 ignore_index: int = VOID,
                 skip_broken: bool = False,
                 image_tails: Sequence[str] = (),
                 label_tails: Sequence[str] = (),
                 split: dict | None = None,
                 **options) -> None:
        if not isinstance(ignore_index, int) or not 0 <= ignore_index <= VOID:
            raise ValueError(f'{type(self).__name__}: ignore_index={ignore_index!r} is no label; give a class index, or '
                             f'{VOID} for void alone.')
        self.skip_broken = skip_broken
        self.image_tails = tuple(image_tails)
        self.label_tails = tuple(label_tails)
        self.skipped: list[str] = []
        self._listed: dict[str, int] = {}
        self.split = split
        super().__init__(ann_file=ann_file, img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, ignore_index=ignore_index,
                         **options)
        if split:
            self._metainfo['split'] = dict(split)
        self._metainfo.setdefault('dataset_name', Path(self.data_root or self.data_prefix['img_path']).name)

    @property
    def label_values(self) -> list[int]:
        """Values that label files may hold."""
        classes = self.METAINFO.get('classes') or self._metainfo.get('classes') or ()
        named = range(len(classes) + bool(self.reduce_zero_label))
        return sorted({*named, *(self.label_map or {}), self.ignore_index, VOID})

    def pairs(self) -> list[tuple[Path, Path]]:
        """Image and label file of every sample, sorted by image.

        Raises:
            DatasetError: If a folder is missing or empty, or an image has no label and ``skip_broken`` is off.
        """
        return self.pairs_in(self._folder('img_path'), self._folder('seg_map_path'))

    def pairs_in(self, image_folder: str | Path, label_folder: str | Path) -> list[tuple[Path, Path]]:
        """Pairs of two folders; see :meth:`pairs`."""
        images, labels = self.images_in(image_folder), self.labels_in(label_folder)
        missing = [str(path) for key, path in images.items() if key not in labels]
        if missing and not self.skip_broken:
            raise DatasetError(f'{missing[0]} has no label in {label_folder} ({len(missing)} of {len(images)} '
                               f'images lack one; matched by stem). Add it, or pass --skip-broken '
                               '(dataset option skip_broken=True) to leave such images out.')
        self.skipped += missing
        return [(path, labels[key]) for key, path in images.items() if key in labels]

    def images_in(self, folder: str | Path) -> dict[str, Path]:
        """Image files of a folder by stem, those that ``ann_file`` lists."""
        images = index_by_stem(folder, self.image_tails, self.img_suffix)
        if not self._listed:
            return images
        return {key: path for key, path in images.items() if self._listed_name(path) is not None}

    def labels_in(self, folder: str | Path) -> dict[str, Path]:
        """Label files of a folder by stem."""
        return index_by_stem(folder, self.label_tails, self.seg_map_suffix)

    def load_data_list(self) -> list[dict]:
        """List all samples, in the order of ``ann_file`` where there is one; with ``skip_broken`` only the usable ones."""
        self._listed = self._read_list()
        pairs = self._in_listed_order(self.pairs()) if self._listed else self.pairs()
        samples = [self._sample(*pair) for pair in pairs]
        if not self.skip_broken:
            return samples
        samples = [sample for sample in samples if self._usable(sample)]
        if self.skipped:
            print_log(f'{type(self).__name__}: skipped {len(self.skipped)} broken of '
                      f'{len(self.skipped) + len(samples)} images: {", ".join(self.skipped[:5])}'
                      f'{", …" if len(self.skipped) > 5 else ""}', 'current', logging.WARNING)
        if not samples:
            raise DatasetError(f'{self.data_prefix["img_path"]}: all {len(self.skipped)} images are broken, the first '
                               f'is {self.skipped[0]}. Leave out --skip-broken to see why.')
        return samples

    def filter_data(self) -> list[dict]:
        """Keep the samples of the chosen split."""
        return split_samples(self.data_list, **self.split) if self.split else self.data_list

    def prepare_data(self, idx: int) -> dict | None:
        """Run the pipeline on one sample; evaluators are told its scene or sequence whatever the pipeline packs.

        Raises:
            DatasetError: If the image cannot be read or its labels do not fit.
        """
        info = self.get_data_info(idx)
        path = info['img_path']
        check_image_file(path, self._content(path))
        try:
            return name_scene(super().prepare_data(idx), info)
        except DatasetError:
            raise
        except (OSError, cv2.error, AssertionError) as error:
            if 'failed to load image' in str(error) or isinstance(error, (OSError, cv2.error)):
                raise DatasetError(f'{path} cannot be read as an image ({error}). {SKIP_HINT}') from error
            raise

    def _sample(self, image: Path, labels: Path | None) -> dict:
        return dict(
            img_path=str(image),
            **({} if labels is None else dict(seg_map_path=str(labels))),
            label_map=void_map(self.label_map, self.ignore_index),
            reduce_zero_label=self.reduce_zero_label,
            label_values=self.label_values,
            seg_fields=[])

    def _folder(self, kind: str) -> str:
        folder = self.data_prefix.get(kind)
        if folder is None:
            raise DatasetError(f'{type(self).__name__}: data_prefix={self.data_prefix} names no {kind}; expected the '
                               'folders img_path and seg_map_path, below data_root.')
        return folder

    def _read_list(self) -> dict[str, int]:
        """Lines of ``ann_file`` with their numbers, empty without one."""
        if not self.ann_file or Path(self.ann_file).is_dir():
            return {}
        try:
            lines = fileio.get_text(self.ann_file, backend_args=self.backend_args).splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise DatasetError(f'ann_file {self.ann_file} cannot be read ({error}). Check the path, which starts at '
                               'data_root, or leave ann_file out to take all images.') from error
        names = [line.strip() for line in lines if line.strip()]
        if not names:
            raise DatasetError(f'ann_file {self.ann_file} lists no image, expected one name a line.')
        return {name: index for index, name in reversed(list(enumerate(names)))}

    def _listed_name(self, image: Path) -> str | None:
        """Line of ``ann_file`` that names an image."""
        name = image.relative_to(self._folder('img_path')).as_posix()
        names = (name, name.removesuffix(self.img_suffix or image.suffix))
        return next((name for name in names if name in self._listed), None)

    def _in_listed_order(self, pairs: list[tuple[Path, Path]]) -> list[tuple[Path, Path]]:
        chosen = {self._listed_name(image): (image, labels) for image, labels in pairs}
        absent = [name for name in self._listed if name not in chosen and not any(name in path for path in self.skipped)]
        if absent and not self.skip_broken:
            raise DatasetError(f'ann_file {self.ann_file} lists {absent[0]}, which is no image in '
                               f'{self._folder("img_path")} ({len(absent)} of {len(self._listed)} lines name none). '
                               'Complete the data, shorten the list, or pass --skip-broken (dataset option '
                               'skip_broken=True).')
        self.skipped += absent
        return [chosen[name] for name in sorted(self._listed, key=self._listed.get) if name in chosen]

    def _content(self, path: str) -> bytes:
        try:
            return fileio.get(path, backend_args=self.backend_args)
        except OSError as error:
            raise DatasetError(f'{path} cannot be opened ({error}). {SKIP_HINT}') from error

    def _usable(self, sample: dict) -> bool:
        try:
            content = self._content(sample['img_path'])
            check_image_file(sample['img_path'], content)
            image = mmcv.imfrombytes(content)
            if image is None:
                raise DatasetError(f'{sample["img_path"]} cannot be read as an image.')
            if sample.get('seg_map_path') is not None:
                labels = read_labels(sample['seg_map_path'], self.backend_args)
                check_labels(labels, sample['seg_map_path'], sample['img_path'], image.shape[:2], sample['label_values'])
        except (DatasetError, cv2.error) as error:
            print_log(f'{type(self).__name__}: skipping {sample["img_path"]}: {error}', 'current', logging.WARNING)
            self.skipped.append(sample['img_path'])
            return False
        return True


def void_map(label_map: dict[int, int] | None, ignore_index: int) -> dict[int, int] | None:
    """A label map that makes the ignored class void as well."""
    if ignore_index == VOID:
        return label_map
    ignored = {label: VOID if target == ignore_index else target for label, target in (label_map or {}).items()}
    return {ignore_index: VOID} | ignored
