"""Heads that read the scores of other heads find them by name."""
from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from mmseg_uncertainty.runtime.near_names import did_you_mean

from .score_head import ScoreHead


def other_heads(model: nn.Module, names: Iterable[str], reader: str) -> dict[str, ScoreHead]:
    """Heads of a segmentor that read what the base says, by name.

    Args:
        model: The segmentor.
        names: Which ones.
        reader: Class of the head that reads their scores.

    Raises:
        ValueError: There is no head of a name, or it reads scores of others itself.
    """
    heads = model.uncertainty_heads
    for name in names:
        if name not in heads:
            raise ValueError(f'{reader}: {name!r} is none of the heads {sorted(heads)}.{did_you_mean(name, heads)} '
                             'Add it to uncertainty_heads, or name another.')
        if heads[name].members:
            raise ValueError(f'{reader}: {name!r} is a sum of scores itself; name the heads that it adds up.')
    return {name: heads[name] for name in names}
