"""What a watch on a stream saw: the numbers, their p-values, and the wealth of who bets against them."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from mmseg_uncertainty.runtime.output_files import whole_file
from mmseg_uncertainty.runtime.stream_monitor import MonitorState


def plot_stream(values: Sequence[float], states: Sequence[MonitorState], calibration: Sequence[float], threshold: float, label: str,
                path: Path) -> Path:
    """Draw a panel of the numbers over those of the calibration frames, one of the p-values, and one of the wealth.

    Args:
        values: Numbers of the frames, in their order.
        states: What the monitor said after each.
        calibration: Numbers of the calibration frames.
        threshold: Log wealth of an alarm.
        label: What the numbers are.
        path: PNG to write; folders are made.
    """
    figure = Figure(figsize=(9, 6.5), layout='constrained')
    FigureCanvasAgg(figure)
    numbers, p_values, wealth = figure.subplots(3, 1, sharex=True)
    frames = [state.frame for state in states]
    tested = [state for state in states if state.tested]
    low, high = np.quantile(np.asarray(calibration, np.float64), (.05, .95))
    numbers.axhspan(low, high, color='tab:blue', alpha=.15, label='5 % to 95 % of the calibration frames')
    numbers.plot(frames, values, '.-', linewidth=.8, markersize=3, color='black')
    numbers.set(ylabel=label)
    p_values.plot([state.frame for state in tested], [state.p_value for state in tested], '.', markersize=4, color='black')
    p_values.set(ylabel='p-value: small = strange', yscale='log')
    wealth.plot(frames, [state.log_wealth for state in states], color='tab:blue')
    wealth.axhline(threshold, color='tab:red', linestyle='--', label='alarm')
    wealth.set(ylabel='log of the evidence', xlabel='frame')
    alarm = next((state.frame for state in states if state.alarm), None)
    for panel in (numbers, p_values, wealth):
        panel.grid(alpha=.3)
        if alarm is not None:
            panel.axvline(alarm, color='tab:red')
    for panel in (numbers, wealth):
        panel.legend(loc='upper left', fontsize=8)
    figure.suptitle(f'Alarm at frame {alarm}' if alarm is not None else f'No alarm in {len(states)} frames')
    with whole_file(path, '.png') as partial:
        figure.savefig(partial, dpi=110)
    return path
