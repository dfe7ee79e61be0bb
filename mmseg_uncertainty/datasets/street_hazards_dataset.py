"""StreetHazards: rendered streets with rendered anomalies."""
from __future__ import annotations

from mmseg.registry import DATASETS

from .anomaly_tables import STREET_HAZARDS, STREET_HAZARDS_CLASSES, STREET_HAZARDS_TRAINING
from .benchmark_dataset import BenchmarkDataset, chosen, first_folder

FOLDERS = dict(test='test/{}/test', training='train/{}/training', validation='train/{}/validation')
LABELS = ('anomaly', 'classes')
PALETTE = [[0, 0, 0], [70, 70, 70], [190, 153, 153], [250, 170, 160], [220, 20, 60], [153, 153, 153], [157, 234, 50],
           [128, 64, 128], [244, 35, 232], [107, 142, 35], [0, 0, 142], [102, 102, 156], [220, 220, 0]]


@DATASETS.register_module()
class StreetHazardsDataset(BenchmarkDataset):
    """StreetHazards as downloaded: ``test/{images,annotations}/test/<town>/X.png`` and, below ``train``, the other two splits.

    Hendrycks et al., "Scaling Out-of-Distribution Detection for Real-World Settings", ICML 2022.

    Args:
        data_root: Folder that the two archives were unpacked to.
        split: ``'test'`` (1,500 images with anomalies), ``'training'`` or ``'validation'`` (none).
        labels: ``'anomaly'``, or ``'classes'`` for the 13 classes that models are trained on, with anomalies as void.
        options: See :class:`BenchmarkDataset`.

    Raises:
        ValueError: ``split`` or ``labels`` are unknown.
    """

    table = STREET_HAZARDS

    def __init__(self, data_root: str, split: str = 'test', labels: str = 'anomaly', **options) -> None:
        folder = FOLDERS[chosen('StreetHazardsDataset', 'split', split, tuple(FOLDERS))]
        self.kind = chosen('StreetHazardsDataset', 'labels', labels, LABELS)
        first_folder(data_root, [folder.format('images')], 'StreetHazardsDataset')
        options.setdefault('data_prefix', dict(img_path=folder.format('images'), seg_map_path=folder.format('annotations')))
        if labels == 'classes':
            meta = dict(classes=STREET_HAZARDS_CLASSES, palette=PALETTE, label_kind='classes')
            options['metainfo'] = meta | options.get('metainfo', {})
        super().__init__(data_root=str(data_root), **options)

    def load_data_list(self) -> list[dict]:
        """List all samples; see :class:`CheckedSegDataset`."""
        if self.kind == 'classes':
            self.label_map = STREET_HAZARDS_TRAINING
        return super().load_data_list()
