"""Averages over corrupted copies of a data set, as published for Cityscapes-C."""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

GROUPS: dict[str, tuple[str, ...]] = dict(
    noise=('gaussian_noise', 'shot_noise', 'impulse_noise', 'speckle_noise'),
    blur=('motion_blur', 'defocus_blur', 'glass_blur', 'gaussian_blur'),
    weather=('snow', 'spatter', 'fog', 'frost'),
    digital=('brightness', 'contrast', 'saturate', 'jpeg_compression'))
CITYSCAPES_C = tuple(name for members in GROUPS.values() for name in members)
PROTOCOLS = ('published', 'all_severities')
MOST_NOISE = 3


@dataclass(frozen=True)
class CorruptionAverages:
    """Averages of one number; NaN where a value is missing.

    Args:
        corruption: Over the severities of each corruption.
        group: Over the corruptions of each group.
        severity: Over the corruptions at each severity.
        overall: Over all corruptions that belong to a group.
    """

    corruption: dict[str, float]
    group: dict[str, float]
    severity: dict[int, float]
    overall: float


def group_of(corruption: str) -> str:
    """Group of a corruption, or an empty string for those outside Cityscapes-C.

    Examples:
        >>> group_of('fog'), group_of('shot_noise')
        ('weather', 'noise')
    """
    return next((group for group, members in GROUPS.items() if corruption in members), '')


def counted_severities(corruption: str, severities: Iterable[int], protocol: str = 'published') -> list[int]:
    """Severities of a corruption that count.

    Kamann and Rother, "Benchmarking the Robustness of Semantic Segmentation Models with Respect to Common Corruptions", IJCV
    2021, leave out noise beyond severity 3, which hardly leaves a signal; ``'all_severities'`` leaves out nothing.

    Raises:
        ValueError: The protocol is unknown.

    Examples:
        >>> counted_severities('shot_noise', [1, 2, 3, 4, 5]), counted_severities('fog', [1, 2, 3, 4, 5])
        ([1, 2, 3], [1, 2, 3, 4, 5])
    """
    if protocol not in PROTOCOLS:
        raise ValueError(f'counted_severities: protocol={protocol!r} is unknown; choose from {PROTOCOLS}.')
    noise = protocol == 'published' and group_of(corruption) == 'noise'
    return [severity for severity in sorted(severities) if not noise or severity <= MOST_NOISE]


def average_corruptions(values: Mapping[tuple[str, int], float],
                        corruptions: Sequence[str],
                        severities: Sequence[int],
                        protocol: str = 'published') -> CorruptionAverages:
    """Average one number over corruptions and severities; every corruption counts the same, whatever its severities.

    Args:
        values: Value of each corruption and severity.
        corruptions: Corruptions that were planned.
        severities: Severities that were planned.
        protocol: See :func:`counted_severities`.

    Examples:
        >>> values = {('fog', 1): 0.5, ('snow', 1): 0.75, ('contrast', 1): 0.25}
        >>> averages = average_corruptions(values, corruptions=['fog', 'snow', 'contrast'], severities=[1])
        >>> averages.group, averages.overall
        ({'weather': 0.625, 'digital': 0.25}, 0.5)
    """
    counted = {name: counted_severities(name, severities, protocol) for name in corruptions}
    each = {name: _mean(values.get((name, severity), np.nan) for severity in counted[name]) for name in corruptions}
    groups = {group: [each[name] for name in members if name in each] for group, members in GROUPS.items()}
    members = [name for name in corruptions if group_of(name)]
    return CorruptionAverages(
        corruption=each,
        group={group: _mean(parts) for group, parts in groups.items() if parts},
        severity={severity: _mean(values.get((name, severity), np.nan) for name in members if severity in counted[name])
                  for severity in sorted(severities)},
        overall=_mean(each[name] for name in members))


def harmonic_mean(values: Iterable[float]) -> float:
    """Harmonic mean of shares in [0, 1]; 0 if one of them is 0, NaN if one is missing or there is none.

    Examples:
        >>> harmonic_mean([0.2, 0.8]), harmonic_mean([0.0, 1.0])  # 2 / (5 + 1.25)
        (0.32, 0.0)
    """
    values = np.array(list(values), float)
    if not values.size or np.isnan(values).any():
        return float('nan')
    return 0. if (values <= 0).any() else float(values.size / (1 / values).sum())


def _mean(values: Iterable[float]) -> float:
    values = list(values)
    return float(np.mean(values)) if values else float('nan')
