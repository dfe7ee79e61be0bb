"""Lost and Found, with its road as the region of interest."""
from __future__ import annotations

from pathlib import Path

from mmseg.registry import DATASETS

from mmseg_uncertainty.submissions.splits import LAF_KNOWN, LAF_UNLABELLED

from .anomaly_tables import LOST_AND_FOUND
from .benchmark_dataset import BenchmarkDataset, chosen

FRAMES = ('all', 'labelled', 'no_known')
# Frames of the training part whose labels are empty, by their place in the sorted list of 1,036.
TRAIN_UNLABELLED = (44, 67, 88, 109, 131, 614)


@DATASETS.register_module()
class LostAndFoundDataset(BenchmarkDataset):
    """Lost and Found as downloaded: obstacles are anomalies, the road is known, and all else is void.

    ``leftImg8bit/<split>/*/X_leftImg8bit.png`` and ``gtCoarse/<split>/*/X_gtCoarse_labelIds.png``. Pinggera et al., "Lost and Found:
    Detecting Small Road Hazards for Self-Driving Vehicles", IROS 2016. Components count as on the obstacle track of
    SegmentMeIfYouCan.

    Args:
        data_root: Folder of the two.
        split: ``'train'`` or ``'test'``.
        frames: ``'all'`` of 1,036 or 1,203, ``'labelled'`` without those whose labels are empty (1,030 or 1,186), or ``'no_known'``,
            as SegmentMeIfYouCan tests: without pedestrians and bicycles as well (1,043).
        options: See :class:`BenchmarkDataset`.

    Raises:
        ValueError: ``split`` or ``frames`` are unknown.
    """

    table = LOST_AND_FOUND

    def __init__(self, data_root: str, split: str = 'test', frames: str = 'all', **options) -> None:
        self.part = chosen('LostAndFoundDataset', 'split', split, ('train', 'test'))
        self.frames = chosen('LostAndFoundDataset', 'frames', frames, FRAMES)
        options.setdefault('data_prefix', dict(img_path=f'leftImg8bit/{split}', seg_map_path=f'gtCoarse/{split}'))
        options.setdefault('image_tails', ('_leftImg8bit', ))
        options.setdefault('label_tails', ('_gtCoarse_labelIds', ))
        options['metainfo'] = dict(track='obstacle') | options.get('metainfo', {})
        super().__init__(data_root=str(data_root), **options)

    def labels_in(self, folder: str | Path) -> dict[str, Path]:
        """Label files by stem, without the maps of instances and colours that lie beside them."""
        return {key: path for key, path in super().labels_in(folder).items() if path.stem.endswith('_labelIds')}

    def images_in(self, folder: str | Path) -> dict[str, Path]:
        """Image files of the chosen frames by stem."""
        images = sorted(super().images_in(folder).items(), key=lambda item: Path(item[0]).name)
        if self.frames == 'all':
            return dict(images)
        empty = LAF_UNLABELLED if self.part == 'test' else TRAIN_UNLABELLED
        known = LAF_KNOWN if self.frames == 'no_known' and self.part == 'test' else ('\0', )
        return {key: path for place, (key, path) in enumerate(images)
                if place not in empty and not Path(key).name.startswith(known)}
