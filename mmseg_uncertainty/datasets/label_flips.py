"""Whether labels were mirrored with their image."""
from __future__ import annotations

from collections.abc import Iterator

from mmcv.transforms import RandomFlip
from mmseg.structures import SegDataSample
from torch.utils.data import Dataset

from mmseg_uncertainty.structures.grid import FLIPS

LOADERS = ('LoadAnnotations', 'LoadLabels', 'LoadOneDLAnnotations', 'RenderToyRoads')


def labels_flip(dataset: Dataset) -> bool:
    """Whether the pipeline loads labels before it flips, so that they are flipped with the image.

    Test pipelines load labels last, at the size and in the orientation of the file.

    Args:
        dataset: A dataset, or one around others.
    """
    for pipeline in _pipelines(dataset):
        names = [type(transform).__name__ for transform in pipeline]
        flips = [index for index, transform in enumerate(pipeline) if isinstance(transform, RandomFlip)]
        loads = [index for index, name in enumerate(names) if name in LOADERS]
        if flips and loads and min(loads) < max(flips):
            return True
    return False


def unflip_labels(sample: SegDataSample) -> None:
    """Bring the labels of a sample into the orientation of its image file."""
    if sample.metainfo.get('flip'):
        rows, columns = FLIPS[sample.metainfo['flip_direction']]
        labels = sample.gt_sem_seg.data
        sample.gt_sem_seg.data = labels.flip(dims=[axis for axis, does in ((1, rows), (2, columns)) if does])


def _pipelines(dataset: Dataset) -> Iterator[list]:
    pipeline = getattr(dataset, 'pipeline', None)
    if pipeline is not None:
        yield list(getattr(pipeline, 'transforms', pipeline))
    for inner in (*getattr(dataset, 'datasets', ()), getattr(dataset, 'dataset', None)):
        if inner is not None:
            yield from _pipelines(inner)
