"""Measures a wrapped network with the evaluators of ``tools/test.py``."""
from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from itertools import count
from typing import Any

from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from mmengine.structures import PixelData
from mmseg.registry import METRICS
from mmseg.structures import SegDataSample
from tqdm.auto import tqdm

from mmseg_uncertainty.datasets.anomaly_dataset import ANOMALY_METAINFO
from mmseg_uncertainty.evaluation import evaluator_config
from mmseg_uncertainty.functional.label_space import LabelSpace

from .batches import LabelledImage, labelled_images, same_shapes
from .uncertainty_model import UncertaintyModel

LABEL_KINDS = ('classes', 'anomaly')


def evaluate(model: UncertaintyModel,
             loader: Iterable,
             names: str | Sequence[str],
             label_kind: str = 'classes',
             novel: Sequence[int] = (),
             progress: bool = True,
             **options: Any) -> dict[str, float]:
    """Measure a model on labelled images that it was not fitted on.

    Args:
        model: A model that was fitted where it has to be.
        loader: Batches as :meth:`~mmseg_uncertainty.plain.UncertaintyModel.fit` takes them; predictions are brought to the
            size of the labels.
        names: Evaluators as ``tools/test.py --eval`` names them: ``'mIoU'``, ``'IDM'`` (mistakes), ``'ECE'``, ``'coverage'``
            (sets), ``'mFishy'`` (unknown objects), …
        label_kind: ``'classes'``, or ``'anomaly'`` where labels are 0 (in-distribution) and 1 (anomaly).
        novel: With classes, labels of objects of no class.
        progress: Whether to show a progress bar.
        options: Options of every evaluator, such as ``protocol='per_image'`` or ``resamples=0``.

    Returns:
        Numbers under the keys of ``tools/test.py``, each with its protocol.

    Raises:
        ValueError: A name is unknown, or labels do not fit.

    Examples:
        >>> network = torch.nn.Conv2d(3, 3, kernel_size=1, bias=False)
        >>> weight = torch.nn.init.dirac_(network.weight)  # the logits are the image itself
        >>> model = wrap(network, classes=['road', 'car', 'sky'])
        >>> images = torch.tensor([0.7, 0.2, 0.1]).log().view(1, 3, 1, 1).expand(1, 3, 2, 2)
        >>> numbers = evaluate(model, [(images, torch.tensor([[[0, 0], [0, 1]]]))], ['mIoU', 'ECE'], progress=False)
        >>> numbers['IoU.road[pooled]'], round(numbers['ECE[pooled]'], 4)  # three pixels of four are right, with 0.7
        (75.0, 0.05)
    """
    space = label_space(model.num_classes, model.ignore_index, label_kind, novel)
    evaluator = build_evaluator(names, model.classes, label_kind, novel, options)
    total = len(loader) if hasattr(loader, '__len__') else None
    numbers = count()
    with tqdm(labelled_images(loader, space), desc='evaluate', total=total, unit='batch', disable=not progress) as bar:
        for batch in bar:
            keys = [image_name(next(numbers)) for _ in batch]
            for places in same_shapes(batch):
                evaluator.process(_samples(model, [batch[place] for place in places], [keys[place] for place in places]))
    return numbers_of(evaluator, next(numbers))


def build_evaluator(names: str | Sequence[str], classes: Sequence[str], label_kind: str, novel: Sequence[int],
                    options: Mapping) -> Evaluator:
    """Evaluators by their names, told what labels mean; arguments as in :func:`evaluate`."""
    names = [names] if isinstance(names, str) else names
    evaluator = Evaluator([METRICS.build(evaluator_config(name, **options)) for name in names])
    classes = ANOMALY_METAINFO['classes'] if label_kind == 'anomaly' else classes
    evaluator.dataset_meta = dict(classes=tuple(classes), label_kind=label_kind, novel_labels=tuple(novel),
                                  dataset_name='the images')
    return evaluator


def numbers_of(evaluator: Evaluator, images: int) -> dict[str, float]:
    """Compute every number, without the tables that evaluators write into the log of a run; warnings stay."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        return evaluator.evaluate(images)
    finally:
        logger.setLevel(level)


def label_space(num_classes: int, ignore_index: int, label_kind: str, novel: Sequence[int]) -> LabelSpace:
    """Values that labels may have.

    Raises:
        ValueError: The kind is unknown.
    """
    if label_kind not in LABEL_KINDS:
        raise ValueError(f'label_kind={label_kind!r} is unknown; choose from {LABEL_KINDS}.')
    return LabelSpace(2, ignore_index) if label_kind == 'anomaly' else LabelSpace(num_classes, ignore_index, tuple(novel))


def image_name(number: int) -> str:
    """Name of an image; names sort as the images come, on which the resamples of the evaluators depend."""
    return f'image {number:08d}'


def _samples(model: UncertaintyModel, images: Sequence[LabelledImage], keys: Sequence[str]) -> list[SegDataSample]:
    samples = model.samples([one.image for one in images], [tuple(one.labels.shape) for one in images])
    for sample, one, key in zip(samples, images, keys):
        sample.gt_sem_seg = PixelData(data=one.labels[None])
        sample.set_metainfo(dict(img_path=key))
    return samples
