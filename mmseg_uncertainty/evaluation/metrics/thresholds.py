"""Thresholds of an earlier run."""
from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path

INCLUSIVE = 'IDM_F1_threshold', 'F1_threshold', 'threshold'


class ThresholdError(ValueError):
    """A file holds no thresholds."""


def read_thresholds(path: str | Path, names: Sequence[str] = INCLUSIVE, protocols: str = 'pooled|fishyscapes') -> dict[str, float]:
    """Threshold of every head from the JSON file of an earlier run.

    Args:
        path: Written by ``tools/test.py --out``.
        names: Names of the numbers that are thresholds, the last of which counts most.
        protocols: Their protocols, a regular expression.

    Raises:
        ThresholdError: If the file holds none.
    """
    metrics = json.loads(Path(path).read_text(encoding='utf-8'))['metrics']
    found = {}
    for name in names:
        pattern = re.compile(rf'(?P<head>.+)/{name}\[({protocols})\]')
        found |= {match['head']: metrics[match.string] for match in map(pattern.fullmatch, metrics) if match}
    if not found:
        raise ThresholdError(f'{path} holds no thresholds. Make it with `tools/test.py … --eval IDM --out {path}` (mFishy '
                             'for anomaly labels) on calibration images.')
    return found
