"""Base of benchmarks with unknown objects, whose labels become 0 known, 1 anomaly and 255 void by a table."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from mmseg_uncertainty.runtime.near_names import did_you_mean

from .anomaly_dataset import ANOMALY_METAINFO
from .checked_seg_dataset import CheckedSegDataset
from .dataset_error import DatasetError


class BenchmarkDataset(CheckedSegDataset):
    """Images of a benchmark as downloaded.

    Args:
        labelled: Take images without labels as well (``False``), as of hidden test sets, which can be predicted and not measured.
        options: See :class:`CheckedSegDataset`.

    Attributes:
        table: What each label of the benchmark becomes.
    """

    METAINFO: ClassVar[dict] = ANOMALY_METAINFO
    table: ClassVar[dict[int, int] | None] = None

    def __init__(self, labelled: bool = True, **options) -> None:
        self.labelled = labelled
        super().__init__(**options)

    @classmethod
    def get_label_map(cls, new_classes: Sequence[str] | None = None) -> dict[int, int] | None:
        """The table of the benchmark."""
        return cls.table

    def pairs_in(self, image_folder: str | Path, label_folder: str | Path) -> list[tuple[Path, Path | None]]:
        """Pairs of two folders; images without labels have ``None`` where they may."""
        if self.labelled:
            return super().pairs_in(image_folder, label_folder)
        labels = self.labels_in(label_folder) if Path(label_folder).is_dir() else {}
        return [(path, labels.get(key)) for key, path in self.images_in(image_folder).items()]


def chosen(name: str, option: str, value: str, known: Sequence[str]) -> str:
    """A value that is one of those known.

    Raises:
        ValueError: It is none; the message has the nearest.
    """
    if value not in known:
        raise ValueError(f'{name}: {option}={value!r} is unknown.{did_you_mean(str(value), known)} Choose from {tuple(known)}.')
    return value


def first_folder(root: str | Path, folders: Sequence[str], name: str) -> str:
    """The first of some folders that is there, relative to the root.

    Raises:
        DatasetError: There is none.
    """
    for folder in folders:
        if (Path(root) / folder).is_dir():
            return folder
    raise DatasetError(f'{name}: {root} holds none of the folders {", ".join(folders)}. Unpack the download there, or point the '
                       'dataset elsewhere with --data-root DIR (dataset option data_root).')
