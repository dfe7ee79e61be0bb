"""Maps of all heads of a model, those that add up others last."""
from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import Tensor

from mmseg_uncertainty.structures import GridOutputs

from .score_head import ScoreHead


def score_maps(heads: Mapping[str, ScoreHead], native: Mapping[str, Tensor], outputs: GridOutputs) -> dict[str, Tensor]:
    """Maps at output size by name, in the order of the heads.

    Args:
        heads: All heads of a model.
        native: Maps of heads that score where the classifier works, at output size.
        outputs: What the others read.
    """
    maps = {name: native[name] if name in native else head(outputs) for name, head in heads.items() if not head.members}
    sums = {name: head.filtered(head.combine(maps), outputs) for name, head in heads.items() if head.members}
    return {name: sums[name] if name in sums else maps[name] for name in heads}


def with_members(heads: Mapping[str, ScoreHead], names: Iterable[str]) -> list[str]:
    """Names of heads and of those that they add up, in the order of the heads."""
    wanted = set(names)
    wanted |= {member for name in wanted for member in heads[name].members}
    return [name for name in heads if name in wanted]
