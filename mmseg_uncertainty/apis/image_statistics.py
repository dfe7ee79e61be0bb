"""Numbers that say how strange an image is, by their names."""
from __future__ import annotations

from collections.abc import Mapping, Sequence

from mmseg_uncertainty.runtime.near_names import did_you_mean

from .uncertainty_inferencer import UncertaintyInferencer

SET_SIZE = 'set_size'


def statistic_names(inferencer: UncertaintyInferencer) -> list[str]:
    """Names of all statistics of a model: its heads, its decisions, and ``'set_size'`` with a set head."""
    model = inferencer.model
    return [*inferencer.scales, *model.decisions, *([SET_SIZE] if model.set_head is not None else [])]


def check_statistic(name: str, known: Sequence[str]) -> None:
    """Check that a model has a statistic.

    Raises:
        ValueError: It has none of this name.
    """
    if name not in known:
        raise ValueError(f'--statistic {name}: the model has none of this name.{did_you_mean(name, known)} Choose from '
                         f'{", ".join(known)}.')


def image_statistic(summary: Mapping, name: str) -> float:
    """A statistic of a predicted image; larger is stranger.

    Args:
        summary: What an :class:`~mmseg_uncertainty.apis.UncertaintyInferencer` says of the image.
        name: Name of a head (mean score), of a decision (share of flagged pixels), or ``'set_size'`` (mean size of the prediction
            sets).
    """
    if name == SET_SIZE:
        return summary['prediction_set']['mean_size']
    if name in summary['uncertainty']:
        return summary['uncertainty'][name]['mean']
    return summary['flags'][name]['flagged_share']
