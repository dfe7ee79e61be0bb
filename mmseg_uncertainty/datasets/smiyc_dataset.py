"""The two tracks of SegmentMeIfYouCan."""
from __future__ import annotations

from pathlib import Path

from mmseg.registry import DATASETS

from mmseg_uncertainty.submissions.splits import SMIYC

from .benchmark_dataset import BenchmarkDataset, chosen
from .dataset_error import DatasetError

TRACKS = {name: split for name, split in SMIYC.items() if name.startswith(('AnomalyTrack', 'ObstacleTrack'))}


@DATASETS.register_module()
class SmiycDataset(BenchmarkDataset):
    """RoadAnomaly21 and RoadObstacle21: ``images/X.{jpg,webp}`` and ``labels_masks/X_labels_semantic.png``, as downloaded.

    Chan et al., "SegmentMeIfYouCan: A Benchmark for Anomaly Segmentation", NeurIPS 2021 (datasets and benchmarks).

    Args:
        data_root: Folder ``dataset_AnomalyTrack`` or ``dataset_ObstacleTrack``.
        split: One of :data:`TRACKS`, such as ``'AnomalyTrack-validation'`` or ``'ObstacleTrack-night'``. Labels of the validation
            images alone are public; other splits take images without labels.
        complete: Check that the split has as many images as the benchmark says.
        options: See :class:`BenchmarkDataset`.

    Raises:
        DatasetError: The folder holds no image of the split, or not all.
        ValueError: The split is unknown.
    """

    def __init__(self, data_root: str, split: str = 'AnomalyTrack-validation', complete: bool = False, **options) -> None:
        self.track, self.complete = TRACKS[chosen('SmiycDataset', 'split', split, tuple(TRACKS))], complete
        self.track_name = split
        options.setdefault('data_prefix', dict(img_path='images', seg_map_path='labels_masks'))
        options.setdefault('label_tails', ('_labels_semantic', ))
        options.setdefault('labelled', split.endswith('-validation'))
        options['metainfo'] = dict(track='anomaly' if split.startswith('AnomalyTrack') else 'obstacle') | options.get('metainfo', {})
        super().__init__(data_root=str(data_root), **options)

    def images_in(self, folder: str | Path) -> dict[str, Path]:
        """Image files of the split by stem."""
        found = super().images_in(folder)
        images = {key: path for key, path in found.items() if self.track.holds(key)}
        if not images:
            raise DatasetError(f'{folder} holds no image of {self.track_name}, but {", ".join(list(found)[:3])}. Choose another '
                               'split, or another folder.')
        if self.complete and self.track.frames not in (None, len(images)):
            raise DatasetError(f'{self.track_name} has {self.track.frames} images, and {folder} holds {len(images)} of them. '
                               'Complete the download, or leave out complete=True.')
        return images
