"""What an image's uncertainty comes down to: which pixels are flagged, and a sentence about them."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .prediction import Prediction, share
from .score_scale import ScoreScale, plain_name

MOST_UNCERTAIN = 0.05
SAMPLED_PIXELS = 2**18


@dataclass(frozen=True)
class Finding:
    """Pixels that stand out.

    Args:
        name: Decision or head that singles them out; ``''`` where there is nothing to go by.
        head: Head whose score they stand out by.
        flags: Shape (H, W), bool.
        sentence: What they are, for people.
        label: What the outlines in a picture are.
    """

    name: str
    head: str
    flags: np.ndarray
    sentence: str
    label: str

    @property
    def share(self) -> float:
        """Share of the pixels of the image."""
        return share(self.flags)


def flagged(prediction: Prediction, scales: Mapping[str, ScoreScale], decisions: Mapping[str, Mapping],
            chosen: Sequence[str] = ()) -> list[Finding]:
    """What every decision flags, or where there is none what every head with a threshold does.

    Args:
        prediction: Result for the image.
        scales: Scale of each head.
        decisions: Record of each decision.
        chosen: Heads whose threshold the user gave; they come first, before all decisions.
    """
    by_user = [_by_threshold(name, prediction, scales[name]) for name in chosen]
    promised = [_promised(name, flags, decisions[name]) for name, flags in prediction.flags.items()]
    natural = [_by_threshold(name, prediction, scale) for name, scale in scales.items()
               if name not in chosen and scale.threshold is not None]
    return by_user + promised or natural


def answer(prediction: Prediction, scales: Mapping[str, ScoreScale], found: Sequence[Finding]) -> Finding:
    """What one picture shows of an image: the first of what is :func:`flagged`, else the most uncertain twentieth of its pixels."""
    if found:
        return found[0]
    if not scales:
        return Finding('', '', np.zeros(prediction.size, bool), 'The model says nothing of its uncertainty.', 'uncertain')
    name = next(iter(scales))
    values = prediction.uncertainty[name]
    sample = values.reshape(-1)[::max(values.size // SAMPLED_PIXELS, 1)]
    flags = values > np.quantile(sample, 1 - MOST_UNCERTAIN)
    return Finding(name, name, flags, f'No threshold is set. Outlined: the {100 * MOST_UNCERTAIN:g} % of this image\'s pixels '
                   f'where {plain_name(name)} is highest.', f'highest {plain_name(name)}')


def percent(share: float) -> str:
    """A share in words.

    Examples:
        >>> percent(0), percent(0.0002), percent(0.0314), percent(1)
        ('0 %', 'less than 0.1 %', '3.1 %', '100 %')
    """
    if 0 < share < 0.0005:
        return 'less than 0.1 %'
    return f'{100 * share:.0f} %' if share in (0, 1) else f'{100 * share:.1f} %'


def _promised(name: str, flags: np.ndarray, record: Mapping) -> Finding:
    if record['feasible']:
        sentence = (f'{_pixels(flags)} flagged, at the threshold of {plain_name(record["head"])} that promises: {record["text"]}.')
    else:
        sentence = f'{_pixels(flags)} flagged: the calibration images were too few to promise: {record["text"]}.'
    return Finding(name, record['head'], flags, sentence, f'flagged ({name})')


def _by_threshold(name: str, prediction: Prediction, scale: ScoreScale) -> Finding:
    flags = prediction.uncertainty[name] >= scale.threshold
    sentence = (f'{_pixels(flags)} flagged: {plain_name(name)} is {scale.threshold:.4g} or more '
                f'({scale.units}; higher = {scale.meaning}).')
    return Finding(name, name, flags, sentence, 'flagged')


def _pixels(flags: np.ndarray) -> str:
    words = percent(share(flags))
    return f'{words[:1].upper()}{words[1:]} of the pixels are'
