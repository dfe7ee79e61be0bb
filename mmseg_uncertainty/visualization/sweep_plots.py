"""How a number changes with the severity of corruptions."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mmseg_uncertainty.functional.corruption_average import GROUPS


def plot_severities(lines: Mapping[str, Mapping[str, Sequence[float]]], severities: Sequence[int], label: str, path: Path,
                    title: str) -> Path:
    """Draw one panel per group of corruptions, one line per model.

    Args:
        lines: Values by line, then by group: one for no corruption, then one for each severity.
        severities: Severities from 1 on.
        label: What the values are.
        path: Where to write; folders are made.
        title: Title of the picture.
    """
    groups = [group for group in GROUPS if any(group in values for values in lines.values())]
    figure = Figure(figsize=(3.2 * max(len(groups), 1) + 1.5, 3.4), layout='constrained')
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, max(len(groups), 1), sharey=True, squeeze=False)[0]
    for panel, group in zip(panels, groups):
        for name, values in lines.items():
            points = np.array(values.get(group, []), float)
            panel.plot([0, *severities][:points.size], points, marker='o', markersize=3, label=name)
        panel.set(title=group, xlabel='severity', xticks=[0, *severities])
        panel.grid(alpha=.3)
    panels[0].set_ylabel(label)
    if lines:
        figure.legend(*panels[0].get_legend_handles_labels(), loc='outside right center', fontsize=7)
    figure.suptitle(title)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    return path
