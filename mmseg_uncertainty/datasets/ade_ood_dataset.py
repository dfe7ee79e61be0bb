"""ADE-OoD: unknown objects in photos of all kinds."""
from __future__ import annotations

from mmseg.registry import DATASETS

from .benchmark_dataset import BenchmarkDataset


@DATASETS.register_module()
class ADEOoDDataset(BenchmarkDataset):
    """ADE-OoD as downloaded: ``images/X.jpg`` and ``annotations/X_mask.png`` with 0 known, 1 anomaly and 255 void.

    Known are the 150 classes of ADE20K. Galesso et al., "Diffusion for Out-of-Distribution Detection on Road Scenes and Beyond",
    ECCV 2024.

    Args:
        data_root: Folder of the two.
        options: See :class:`BenchmarkDataset`.
    """

    def __init__(self, data_root: str, **options) -> None:
        options.setdefault('data_prefix', dict(img_path='images', seg_map_path='annotations'))
        options.setdefault('label_tails', ('_mask', ))
        super().__init__(data_root=str(data_root), **options)
