"""BDD-Anomaly: streets of BDD100K where trains, motorcycles and bicycles are unknown."""
from __future__ import annotations

from pathlib import Path

from mmseg.registry import DATASETS

from .anomaly_tables import BDD_ANOMALY
from .benchmark_dataset import BenchmarkDataset, first_folder
from .dataset_error import DatasetError

IMAGES = ('seg/images', 'images/10k')
LABELS = ('seg/labels', 'seg/train_labels', 'labels/sem_seg/masks')
LIST = 'bdd_anomaly_test.txt'


@DATASETS.register_module()
class BDDAnomalyDataset(BenchmarkDataset):
    """BDD100K as downloaded, the images with an anomaly; labels are train ids of Cityscapes.

    ``seg/images/{train,val}/X.jpg`` and ``seg/labels/{train,val}/X_train_id.png``, or ``images/10k/{train,val}/X.jpg`` and
    ``labels/sem_seg/masks/{train,val}/X.png``. Hendrycks et al., "Scaling Out-of-Distribution Detection for Real-World Settings",
    ICML 2022, test on the 810 images of both parts that show a train, a motorcycle or a bicycle;
    ``tools/dataset_converters/bdd_anomaly.py`` lists them.

    Args:
        data_root: Folder of BDD100K.
        ann_file: List of the images, by their paths below the folder of the images; by default that of the converter.
        options: See :class:`BenchmarkDataset`.

    Raises:
        DatasetError: Folders or the list are missing.
    """

    table = BDD_ANOMALY

    def __init__(self, data_root: str, ann_file: str = LIST, **options) -> None:
        name, root = type(self).__name__, Path(data_root)
        if ann_file and not (root / ann_file).is_file():
            raise DatasetError(f'{root / ann_file} is missing, which lists the images with anomalies. Run python '
                               f'tools/dataset_converters/bdd_anomaly.py --source {root}.')
        if 'data_prefix' not in options:
            options['data_prefix'] = dict(img_path=first_folder(root, IMAGES, name), seg_map_path=first_folder(root, LABELS, name))
        options.setdefault('label_tails', ('_train_id', ))
        super().__init__(data_root=str(root), ann_file=ann_file, **options)
