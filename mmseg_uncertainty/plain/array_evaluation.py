"""Measures arrays that any model has left on disk with the evaluators of ``tools/test.py``."""
from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np
import torch
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor

from mmseg_uncertainty.functional.class_distributions import ClassDistribution, class_distribution
from mmseg_uncertainty.label_values import VOID
from mmseg_uncertainty.models.bases import at_least_float32
from mmseg_uncertainty.models.decode_heads import ScoreHead
from mmseg_uncertainty.models.segmentors.image_result import ImageResult, write_result
from mmseg_uncertainty.structures import GridOutputs

from .evaluating import build_evaluator, image_name, label_space, numbers_of
from .method_names import head_configs

Arrays = Iterable[Tensor | np.ndarray]


def evaluate_arrays(logits: Arrays,
                    labels: Arrays,
                    names: str | Sequence[str],
                    uncertainty: Mapping[str, Arrays] | Sequence[str] = (),
                    prediction_set: Arrays | None = None,
                    calibrated_logits: Arrays | None = None,
                    classes: Sequence[str] | None = None,
                    ignore_index: int = VOID,
                    label_kind: str = 'classes',
                    novel: Sequence[int] = (),
                    output: str = 'softmax',
                    threshold: float = 0.5,
                    **options: Any) -> dict[str, float]:
    """Measure maps that are at hand, with no model at all.

    Arrays have one entry per image and are read one after the other, so that generators, memory-mapped files and images of
    different sizes do.

    Args:
        logits: Output of the model at the size of the labels, (C, H, W) for each image.
        labels: Label maps, (H, W) for each.
        names: See :func:`evaluate`.
        uncertainty: Maps (H, W) by the name of their score, higher being more uncertain; or names of scores of logits,
            such as ``['msp', 'entropy']``, which are computed.
        prediction_set: Which classes are in the set, (K, H, W) for each, bool.
        calibrated_logits: Logits after calibration, (K, H, W) for each.
        classes: Names of the classes.
        ignore_index: Label of pixels that have none.
        label_kind: See :func:`evaluate`.
        novel: See :func:`evaluate`.
        output: What the output means, out of :data:`~mmseg_uncertainty.functional.class_distributions.DISTRIBUTIONS`.
        threshold: Decision threshold of ``output='sigmoid'``.
        options: See :func:`evaluate`.

    Returns:
        See :func:`evaluate`.

    Raises:
        ValueError: A name is unknown, arrays do not belong together, or labels do not fit.

    Examples:
        >>> logits = torch.tensor([[[[0.9, 0.8, 0.7, 0.6]], [[0.1, 0.2, 0.3, 0.4]]]]).log()  # one image of 1 × 4 pixels
        >>> labels = torch.tensor([[[0, 0, 0, 1]]])  # the least certain pixel is wrong
        >>> numbers = evaluate_arrays(logits, labels, 'IDM', uncertainty=['msp'])
        >>> numbers['msp/IDM_AUROC[pooled]'], numbers['msp/IDM_risk@coverage0.8[pooled]']
        (100.0, 25.0)
    """
    distribution = class_distribution(output, threshold)
    given = uncertainty if isinstance(uncertainty, Mapping) else {}
    heads = {} if isinstance(uncertainty, Mapping) else logit_heads(uncertainty)
    optional = dict(prediction_set=prediction_set, calibrated_logits=calibrated_logits)
    parts = dict(logits=logits, labels=labels) | {name: part for name, part in optional.items() if part is not None}
    evaluator = None
    for number, (image, maps) in enumerate(_together(parts, given)):
        arrays = ImageArrays(image_name(number), image, maps)
        num_classes = arrays.num_classes(distribution)
        if evaluator is None:
            space = label_space(num_classes, ignore_index, label_kind, novel)
            evaluator = build_evaluator(names, classes or tuple(map(str, range(num_classes))), label_kind, novel, options)
        sample = write_result(arrays.result(distribution, heads), SegDataSample(metainfo=dict(img_path=arrays.name)))
        sample.gt_sem_seg = PixelData(data=space.checked(image['labels'], arrays.name)[None])
        evaluator.process([sample])
    if evaluator is None:
        raise ValueError('logits and labels hold no image.')
    return numbers_of(evaluator, number + 1)


@dataclass(frozen=True)
class ImageArrays:
    """What is at hand of one image.

    Args:
        name: What messages call it.
        arrays: ``logits`` (C, H, W), ``labels`` (H, W) and what else there is, by name.
        maps: Uncertainty (H, W) by the name of its score.

    Raises:
        ValueError: Logits do not have the size of the labels.
    """

    name: str
    arrays: Mapping[str, Tensor]
    maps: Mapping[str, Tensor]

    def __post_init__(self) -> None:
        for name, values in self.arrays.items():
            if values.shape[-2:] != self.arrays['labels'].shape:
                raise ValueError(f'{self.name}: {name} have the shape {tuple(values.shape)} and labels '
                                 f'{tuple(self.arrays["labels"].shape)}; bring them to the size of the labels.')

    @property
    def scores(self) -> Tensor:
        """Output of the model, shape (1, C, H, W)."""
        return at_least_float32(self.arrays['logits'])[None]

    def num_classes(self, distribution: ClassDistribution) -> int:
        """Number of classes K that the output means."""
        return distribution.class_logits(self.scores[..., :1, :1]).shape[1]

    def result(self, distribution: ClassDistribution, heads: Mapping[str, ScoreHead]) -> ImageResult:
        """The maps as a model would give them, with scores that are computed here."""
        logits, predicted = distribution.class_logits(self.scores), distribution.predict(self.scores)
        cells = GridOutputs(logits, distribution=distribution,
                            predicted=None if distribution.predicts_likeliest else predicted)
        uncertainty = {name: head(cells) for name, head in heads.items()}
        uncertainty |= {name: at_least_float32(values)[None] for name, values in self.maps.items()}
        calibrated, membership = (self.arrays[name][None] if name in self.arrays else None
                                  for name in ('calibrated_logits', 'prediction_set'))
        return ImageResult(self.scores, logits, predicted, distribution, calibrated, uncertainty,
                           membership=None if membership is None else membership.bool())


def logit_heads(names: str | Sequence[str]) -> dict[str, ScoreHead]:
    """Scores of logits that need no fit, by their names.

    Raises:
        ValueError: A name is unknown, or its score has to be fitted or reads features.
    """
    configs = head_configs(names)
    for name, config in configs.items():
        info = MODELS.get(config['type']).info
        if info.fitted or info.needs - {'logits'}:
            raise ValueError(f'uncertainty={name!r} has to be fitted or reads features, which arrays do not hold; give its '
                             'maps, or wrap the network.')
    return {name: MODELS.build(config) for name, config in configs.items()}


def _together(parts: Mapping[str, Arrays],
              maps: Mapping[str, Arrays]) -> Iterator[tuple[dict[str, Tensor], dict[str, Tensor]]]:
    """Entries of the same image of every array.

    Raises:
        ValueError: An array has fewer images than another.
    """
    iterators = [{name: iter(values) for name, values in group.items()} for group in (parts, maps)]
    for number in count():
        image = [{name: torch.as_tensor(entry) for name, iterator in group.items()
                  if (entry := next(iterator, None)) is not None} for group in iterators]
        ended = [name for group, found in zip(iterators, image) for name in group if name not in found]
        if not any(image):
            return
        if ended:
            raise ValueError(f'{", ".join(ended)}: {number} images, and others hold more; expected as many in each.')
        yield image[0], image[1]
