"""MUAD: rendered streets with several kinds of uncertainty, among them unknown objects."""
from __future__ import annotations

from mmseg.datasets import CityscapesDataset
from mmseg.registry import DATASETS

from .anomaly_tables import MUAD, MUAD_CLASSES
from .benchmark_dataset import BenchmarkDataset, chosen, first_folder

LABELS = ('anomaly', 'classes')


@DATASETS.register_module()
class MUADDataset(BenchmarkDataset):
    """MUAD as downloaded: ``<split>/leftImg8bit/X.png`` and ``<split>/leftLabel/X.png``; animals, bags and bins are anomalies.

    Franchi et al., "MUAD: Multiple Uncertainties for Autonomous Driving", BMVC 2022.

    Args:
        data_root: Folder of the splits.
        split: Folder of a split: ``'train'``, ``'val'``, ``'test'``, ``'ood'``, or one of a later release.
        labels: ``'anomaly'``, or ``'classes'`` for the 19 classes of Cityscapes, with anomalies as void.
        options: See :class:`BenchmarkDataset`.

    Raises:
        DatasetError: The split is missing.
        ValueError: ``labels`` is unknown.
    """

    table = MUAD

    def __init__(self, data_root: str, split: str = 'ood', labels: str = 'anomaly', **options) -> None:
        self.kind = chosen('MUADDataset', 'labels', labels, LABELS)
        first_folder(data_root, [f'{split}/leftImg8bit'], 'MUADDataset')
        options.setdefault('data_prefix', dict(img_path=f'{split}/leftImg8bit', seg_map_path=f'{split}/leftLabel'))
        options.setdefault('image_tails', ('_leftImg8bit', ))
        options.setdefault('label_tails', ('_leftLabel', ))
        if labels == 'classes':
            options['metainfo'] = dict(CityscapesDataset.METAINFO, label_kind='classes') | options.get('metainfo', {})
        super().__init__(data_root=str(data_root), **options)

    def load_data_list(self) -> list[dict]:
        """List all samples; see :class:`CheckedSegDataset`."""
        if self.kind == 'classes':
            self.label_map = MUAD_CLASSES
        return super().load_data_list()
