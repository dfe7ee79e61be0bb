"""Maps of all heads of a model, those that add up others last."""
from __future__ import annotations

from collections.abc import Iterable, Mapping

from torch import Tensor, nn

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


def with_what_they_read(model: nn.Module, names: Iterable[str]) -> list[str]:
    """Names of heads, of those whose scores they read, and of what the calibrator asks, in the order of the heads of the model."""
    heads, wanted = model.uncertainty_heads, {*names, *getattr(model.calibrator, 'reads', ())}
    for _ in range(2):  # A sum may add up a head that itself reads others.
        wanted |= {other for name in wanted for other in (*heads[name].members, *heads[name].evidence)}
    return [name for name in heads if name in wanted]
