"""Where scores without bounds mostly lie, measured once, so that all pictures of a model share their colours."""
from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mmseg.structures import SegDataSample

from mmseg_uncertainty.models import PosthocSegmentor
from mmseg_uncertainty.runtime.score_ranges import ScoreRanges, pilots
from mmseg_uncertainty.visualization.uncertainty_figure import prediction_of

USUAL_RANGES = 'usual_ranges'


def usual_ranges(model: PosthocSegmentor, dataset: Sequence[Mapping]) -> dict[str, tuple[float, float]]:
    """Measure a fitted model on at most eight images of its calibration set.

    Args:
        model: The model.
        dataset: Items with ``inputs`` and ``data_samples``.

    Returns:
        1st and 99th percentile by head, of scores without bounds.
    """
    return ranges_of(model, (model.test_step({key: [value] for key, value in dataset[index].items()})[0]
                             for index in pilots(len(dataset))))


def ranges_of(model: PosthocSegmentor, samples: Iterable[SegDataSample]) -> dict[str, tuple[float, float]]:
    """See :func:`usual_ranges`, of images that the model has predicted; none is predicted where every score has bounds."""
    unknown = {name: head.scale_in_words(model.num_classes) for name, head in model.uncertainty_heads.items()}
    unknown = {name: scale for name, scale in unknown.items() if scale.range is None}
    ranges = ScoreRanges(unknown)
    for sample in samples if unknown else ():
        ranges.see(prediction_of(sample))
    return ranges.limits()


def kept_ranges(meta: Mapping) -> dict[str, tuple[float, float]]:
    """What a checkpoint says of itself; empty where it was written without, or says something else than two ends.

    Examples:
        >>> kept_ranges(dict(usual_ranges=dict(energy=[-9.5, -1], entropy='wide'))), kept_ranges({})
        ({'energy': (-9.5, -1.0)}, {})
    """
    ranges = meta.get(USUAL_RANGES) or {}
    return {str(name): (float(ends[0]), float(ends[1])) for name, ends in ranges.items() if _are_ends(ends)}


def _are_ends(ends: Any) -> bool:
    return (isinstance(ends, Sequence) and len(ends) == 2 and all(isinstance(end, (int, float)) for end in ends)
            and -math.inf < ends[0] < ends[1] < math.inf)
