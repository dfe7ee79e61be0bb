"""Load labels that number instances by colour."""
from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import mmengine.fileio as fileio
import numpy as np
from mmcv.transforms import BaseTransform
from mmengine.logging import print_log
from mmseg.registry import TRANSFORMS

from mmseg_uncertainty.datasets.dataset_error import DatasetError
from mmseg_uncertainty.datasets.image_files import SKIP_HINT, check_labels, read_pixels
from mmseg_uncertainty.functional.instance_colors import ClassTable, class_table, decode_colors


@TRANSFORMS.register_module()
class LoadInstanceColors(BaseTransform):
    """Decode the label images of Stanford 2D-3D-S as downloaded, in the place of ``LoadLabels``.

    A pixel's colour is a number in the list of instance names; see
    :mod:`~mmseg_uncertainty.functional.instance_colors`. Numbers beyond the list become unknown, and a warning counts them.

    Args:
        names: JSON file with the list of instance names; ``None`` looks for ``assets/semantic_labels.json`` above the
            label file.
        classes: Class names, sorted; ``None`` takes ``label_classes`` of the sample, where the dataset gives them, and else
            what the list of names holds.
        backend_args: See :func:`mmengine.fileio.get`.

    Raises:
        DatasetError: The names or the labels are missing, unreadable or of another size than their image.
    """

    def __init__(self,
                 names: str | None = None,
                 classes: Sequence[str] | None = None,
                 backend_args: dict | None = None) -> None:
        self.names = names
        self.classes = classes
        self.backend_args = backend_args

    def transform(self, results: dict) -> dict:
        """Add ``gt_seg_map``, shape (H, W), uint8."""
        path = results.get('seg_map_path')
        if path is None:
            return results
        classes = results.get('label_classes') if self.classes is None else self.classes
        names = self.names or str(find_names(Path(path)))
        table = read_class_table(names, None if classes is None else tuple(classes))
        labels = read_instance_colors(path, table, self.backend_args)
        check_labels(labels, path, results['img_path'], results['ori_shape'])
        renamed = np.arange(256, dtype=np.uint8)
        label_map = results.get('label_map') or {}
        renamed[list(label_map)] = list(label_map.values())
        results['gt_seg_map'] = renamed[labels]
        results.setdefault('seg_fields', []).append('gt_seg_map')
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(names={self.names!r}, classes={self.classes}, backend_args={self.backend_args})'


def find_names(labels: Path) -> Path:
    """The list of instance names that belongs to a label file.

    Raises:
        DatasetError: There is none in any folder above.
    """
    candidates = [folder / 'assets' / 'semantic_labels.json' for folder in labels.parents]
    found = next((path for path in candidates if path.is_file()), None)
    if found is None:
        raise DatasetError(f'no assets/semantic_labels.json in any folder above {labels}. Put the list of instance names '
                           'of the download there, or name it with LoadInstanceColors(names=FILE).')
    return found


@lru_cache(maxsize=8)
def read_class_table(path: str, classes: tuple[str, ...] | None = None) -> ClassTable:
    """Classes of the instances that a JSON file lists.

    Raises:
        DatasetError: The file is missing or holds no list of names, or names of other classes.
    """
    try:
        names = json.loads(fileio.get_text(path))
        if not (isinstance(names, list) and names and all(isinstance(name, str) for name in names)):
            raise ValueError(f'holds {type(names).__name__}, expected a list of instance names')
        return class_table(names, classes)
    except (OSError, ValueError) as error:
        raise DatasetError(f'{path} cannot be used as list of instance names: {error}. Fetch it again.') from error


def read_instance_colors(path: str | Path, table: ClassTable, backend_args: dict | None = None) -> np.ndarray:
    """Class map of a label image that numbers instances by colour, shape (H, W), uint8.

    Raises:
        DatasetError: The file is missing or no colour image.
    """
    colors = read_pixels(path, backend_args)
    if colors.ndim != 3 or colors.dtype != np.uint8:
        raise DatasetError(f'Label file {path} is no image with three channels of 8 bits, which number instances. Labels '
                           f'that are class maps already load with LoadLabels. {SKIP_HINT}')
    labels, unlisted = decode_colors(colors[..., :3], table)
    if unlisted:
        print_log(f'{path}: {unlisted} pixels have numbers beyond the {len(table.of_instance)} instances of the list; '
                  f'they count as {table.classes[table.unknown]}.', 'current', logging.WARNING)
    return labels
