"""What the numbers of an uncertainty map mean: unit, range, and the value at which a pixel is flagged."""
from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

LONGEST_ACRONYM = 4


@dataclass(frozen=True)
class ScoreScale:
    """Scale of one score; higher is more uncertain.

    Args:
        units: Unit in words.
        low: Smallest possible value, ``None`` where there is none.
        high: Largest possible value, ``None`` where there is none.
        threshold: Value at which a pixel is flagged, ``None`` where the score itself suggests none.
        meaning: What a high score says of a pixel, in words that follow "higher = ".
        usual: 1st and 99th percentile over images that the model was calibrated on; ``None`` where nobody measured them.
    """

    units: str
    low: float | None = None
    high: float | None = None
    threshold: float | None = None
    meaning: str = 'more uncertain'
    usual: Sequence[float] | None = None

    @property
    def range(self) -> tuple[float, float] | None:
        """Both ends, or ``None`` if one is open."""
        return None if self.low is None or self.high is None else (self.low, self.high)

    @property
    def shown(self) -> tuple[float, float] | None:
        """Ends of the colour scale of every picture: those that the score is bounded by, else the usual ones."""
        if self.range is not None or self.usual is None:
            return self.range
        low, high = self.usual
        return low, high

    def title(self, name: str) -> str:
        """What a map of the head of this name shows.

        Examples:
            >>> ScoreScale('logits', meaning='more unusual').title('energy')
            'Energy: higher = more unusual'
        """
        return f'{plain_name(name)}: higher = {self.meaning}'

    def flagging_at(self, threshold: float) -> ScoreScale:
        """The same scale with another threshold."""
        return replace(self, threshold=threshold)


def plain_name(name: str) -> str:
    """Name of a head as people write it.

    Examples:
        >>> plain_name('msp'), plain_name('max_logit')
        ('MSP', 'Max logit')
    """
    words = name.replace('_', ' ')
    return words.upper() if len(words) <= LONGEST_ACRONYM else words[:1].upper() + words[1:]


def probability_scale(num_classes: int) -> ScoreScale:
    """Probability that a prediction of K classes is wrong; flagged where no class has at least half of it.

    Examples:
        >>> probability_scale(num_classes=4)
        ScoreScale(units='probability', low=0.0, high=0.75, threshold=0.5, meaning='more uncertain', usual=None)
    """
    highest = 1 - 1 / num_classes
    return ScoreScale('probability', 0., highest, min(0.5, highest))


def nats_scale(num_classes: int) -> ScoreScale:
    """Entropy over K classes.

    Examples:
        >>> round(nats_scale(num_classes=4).high, 4)  # log(4)
        1.3863
    """
    return ScoreScale('nats', 0., math.log(num_classes))
