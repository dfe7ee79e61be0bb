"""CamVid road scenes in the common 11-class, 480x360 form."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from mmseg.registry import DATASETS

from mmseg_uncertainty.label_values import VOID

from .checked_seg_dataset import CheckedSegDataset


@DATASETS.register_module()
class CamVidDataset(CheckedSegDataset):
    """CamVid with 11 classes; label 11 is void and becomes 255.

    Frames of one sequence are near copies of each other. The file name up to its first underscore names the sequence, so
    that splits can be made by sequence.

    Brostow et al., "Semantic object classes in video: A high-definition ground truth database", Pattern Recognition
    Letters 2009.

    Args:
        sequences: Names of the sequences to keep, such as ``('0001TP', 'Seq05VD')``; ``None`` keeps all.
        options: See :class:`CheckedSegDataset`.

    Raises:
        ValueError: ``sequences`` names one that has no image.
    """

    METAINFO = dict(
        classes=('sky', 'building', 'pole', 'road', 'pavement', 'tree', 'sign', 'fence', 'car', 'pedestrian',
                 'bicyclist'),
        palette=[[128, 128, 128], [128, 0, 0], [192, 192, 128], [128, 64, 128], [60, 40, 222], [128, 128, 0],
                 [192, 128, 128], [64, 64, 128], [64, 0, 128], [64, 64, 0], [0, 128, 192]],
        label_kind='classes')
    VOID = 11
    family = 'camvid'

    def __init__(self, sequences: Sequence[str] | None = None, **options) -> None:
        self.sequences = sequences
        super().__init__(**options)

    @classmethod
    def get_label_map(cls, new_classes: Sequence[str] | None = None) -> dict[int, int]:
        """Map the labels of the files to train ids; void becomes 255."""
        label_map = super().get_label_map(new_classes) or {index: index for index in range(cls.VOID)}
        return {**label_map, cls.VOID: VOID}

    def load_data_list(self) -> list[dict]:
        """List the images with the sequence each belongs to."""
        data_list = super().load_data_list()
        for entry in data_list:
            entry['sequence'] = Path(entry['img_path']).stem.split('_')[0]
        if self.sequences is None:
            return data_list
        absent = set(self.sequences) - {entry['sequence'] for entry in data_list}
        if absent:
            present = sorted({entry['sequence'] for entry in data_list})
            raise ValueError(f'CamVidDataset: no image of sequence {sorted(absent)} in {self.data_prefix["img_path"]}; '
                             f'it holds {present}.')
        return [entry for entry in data_list if entry['sequence'] in self.sequences]
