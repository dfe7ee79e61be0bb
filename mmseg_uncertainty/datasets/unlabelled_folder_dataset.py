"""Own images without labels."""
from __future__ import annotations

from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from .image_files import index_by_stem


@DATASETS.register_module()
class UnlabelledFolderDataset(BaseSegDataset):
    """All images of a folder, for what needs no labels; ``data_prefix=dict(img_path=DIR)`` names it."""

    def load_data_list(self) -> list[dict]:
        """List the images by their names.

        Raises:
            DatasetError: The folder is missing or holds no image.
        """
        images = index_by_stem(self.data_prefix['img_path'])
        return [dict(img_path=str(path), seg_fields=[], label_map=None, reduce_zero_label=False) for path in images.values()]
