"""Plots of a sweep: each number of its report by severity."""
from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mmseg_uncertainty.functional.corruption_average import GROUPS
from mmseg_uncertainty.visualization.sweep_plots import plot_severities

from .sweep_plan import CLEAN, NO_CALIBRATOR, SweepPlan
from .sweep_tables import Row, sweep_rows


def plot_sweep(plan: SweepPlan, work_dir: Path) -> list[Path]:
    """Draw every number of the report for every dataset that is corrupted; returns the pictures."""
    rows, pictures = sweep_rows(plan, work_dir), []
    for dataset in plan.datasets:
        for metric in plan.report:
            chosen = [row for row in rows if (row.dataset, row.metric) == (dataset, metric) and row.head != 'uncalibrated']
            if any(row.group for row in chosen):
                path = work_dir / 'plots' / f'{dataset}_{re.sub(r"[^A-Za-z0-9]+", "_", metric)}.png'
                pictures.append(plot_severities(severity_lines(chosen, plan.severities), plan.severities, metric, path,
                                                f'{metric} on {dataset}'))
    return pictures


def severity_lines(rows: Sequence[Row], severities: Sequence[int]) -> dict[str, dict[str, list[float]]]:
    """Means over the corruptions of each group, by line and group: without corruption, then by severity."""
    lines: dict[str, dict[str, list[float]]] = {}
    for subject in dict.fromkeys(row.subject for row in rows):
        model, calibrator, _, head = subject
        name = ', '.join(part for part in (model, calibrator if calibrator != NO_CALIBRATOR else '', head) if part)
        own = [row for row in rows if row.subject == subject]
        clean = [row.value for row in own if row.corruption == CLEAN]
        for group in GROUPS:
            parts = [[row.value for row in own if (row.group, row.severity) == (group, severity)] for severity in severities]
            if any(parts):
                lines.setdefault(name, {})[group] = [_mean(clean), *map(_mean, parts)]
    return lines


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else float('nan')
