"""Load how far away every pixel is."""
from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from mmseg_uncertainty.functional.distances import ground_distance, stereo_distance
from mmseg_uncertainty.runtime.dataset_error import DatasetError


@TRANSFORMS.register_module()
class LoadDistances(BaseTransform):
    """Add ``gt_depth_map``, metres at the size of the labels, which ``PackSegInputs`` of mmseg packs.

    Args:
        folder: Folder with a file for each image, of the same stem or with ``tail`` in place of ``image_tail``: ``.npy`` or 16-bit
            images. ``None`` takes the ground as flat.
        factor: Metres (or pixels of disparity) of one step of an image.
        offset: Taken off an image before.
        stereo: ``focal`` (pixels) and ``baseline`` (metres), where files hold disparities. Lost and Found and Cityscapes have
            ``factor=1/256, offset=1``.
        ground: ``horizon`` (row), ``focal`` (pixels) and ``height`` (metres) of the camera, where there are no files.
        image_tail: End of the stems of images.
        tail: End of the stems of files.

    Raises:
        ValueError: Neither or both of ``folder`` and ``ground`` are given.
        DatasetError: A file is missing, cannot be read, or has another size than the image.
    """

    def __init__(self,
                 folder: str | Path | None = None,
                 factor: float = 1.0,
                 offset: float = 0.0,
                 stereo: Mapping[str, float] | None = None,
                 ground: Mapping[str, float] | None = None,
                 image_tail: str = '',
                 tail: str = '') -> None:
        if (folder is None) == (ground is None):
            raise ValueError(f'LoadDistances: give folder or ground, and not both; found folder={folder!r} and ground={ground!r}.')
        self.folder, self.factor, self.offset = None if folder is None else Path(folder), factor, offset
        self.stereo, self.ground, self.image_tail, self.tail = stereo, ground, image_tail, tail

    def transform(self, results: dict) -> dict:
        """Add the distances of one image."""
        size = tuple(results['ori_shape'][:2])
        if self.ground is not None:
            distances = ground_distance(size, **self.ground)
        else:
            path = self._path(Path(results['img_path']))
            distances = self._read(path)
            if distances.shape != size:
                raise DatasetError(f'{path} has {distances.shape} values, its image {results["img_path"]} {size} pixels; expected '
                                   'one value per pixel.')
        results['gt_depth_map'] = distances.astype(np.float32)
        return results

    def _path(self, image: Path) -> Path:
        stem = image.stem.removesuffix(self.image_tail) + self.tail
        found = sorted(self.folder.rglob(f'{stem}.*'))
        if not found:
            raise DatasetError(f'{self.folder} holds no distances for {image}; expected {stem}.npy or {stem}.png. Check folder, '
                               'image_tail and tail of LoadDistances.')
        return found[0]

    def _read(self, path: Path) -> np.ndarray:
        try:
            values = np.load(path, allow_pickle=False) if path.suffix == '.npy' else cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        except (OSError, ValueError, cv2.error) as error:
            raise DatasetError(f'{path} cannot be read as distances ({error}).') from error
        if values is None or values.ndim != 2:
            raise DatasetError(f'{path} cannot be read as distances; expected one channel in 16 bits, or .npy of two axes.')
        if path.suffix != '.npy':
            # Zero says in such files that nothing was measured.
            values = np.where(values > 0, (values.astype(np.float64) - self.offset) * self.factor, 0)
        if self.stereo is not None:
            return stereo_distance(values, **self.stereo)
        return np.where(values > 0, values, np.inf)

    def __repr__(self) -> str:
        return f'{type(self).__name__}(folder={self.folder}, stereo={self.stereo}, ground={self.ground})'
