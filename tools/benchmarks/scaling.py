"""How time and memory grow with pixels, classes, heads and calibration images; draws docs/pictures/scaling.png."""
from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import matplotlib
import numpy as np
import torch
from side_by_side import extra_megabytes, row, run_benchmark, seconds_in_turns

from mmseg_uncertainty.functional import energy, entropy, margin, max_logit, msp, summarize
from mmseg_uncertainty.functional.calibration_error import reliability_sums
from mmseg_uncertainty.functional.score_histogram import ScoreHistogram
from mmseg_uncertainty.models.calibrators import TemperatureScaling
from mmseg_uncertainty.structures import FrozenOutputs

matplotlib.use('Agg')
PICTURE = Path(__file__).resolve().parents[2] / 'docs/pictures/scaling.png'
SCORES = (msp, max_logit, energy, entropy, margin)
UNITS = {'s': 'seconds of one thread', 'MB': 'megabytes beyond the input'}
Sizes = Sequence[int]


def of_pixels(pixels: int) -> dict[str, Callable]:
    """Scoring, counting a score and summing a reliability diagram, by pixels."""
    logits, labels = torch.randn(1, 19, pixels), np.random.default_rng(0).integers(0, 2, pixels).astype(np.uint8)
    scores = logits[0, 0].numpy()
    confidence, histogram = 1 / (1 + np.exp(-scores)), ScoreHistogram()
    return {
        'class summary': lambda: summarize(logits),
        'score histogram': lambda: histogram.update(scores, labels),
        'reliability sums': lambda: reliability_sums(confidence, labels.astype(bool)),
    }


def of_classes(classes: int) -> dict[str, Callable]:
    """Scoring, by classes."""
    logits = torch.randn(1, classes, 2**17)
    return {'class summary': lambda: summarize(logits)}


def of_heads(heads: int) -> dict[str, Callable]:
    """Scoring with so many stateless heads."""
    logits = torch.randn(1, 19, 2**18)

    def score() -> None:
        summary = summarize(logits)
        for index in range(heads):
            SCORES[index % len(SCORES)](summary)
    return {'all heads': score}


def of_images(images: int) -> dict[str, Callable]:
    """Fitting a temperature, by calibration images."""
    logits = torch.randn(1, 11, 64, 80) * 5
    labels = (logits / 2 + torch.randn_like(logits)).argmax(dim=1)
    calibrator = TemperatureScaling(num_classes=11)

    def fit() -> None:
        for stage in range(calibrator.stages):
            calibrator.start_stage(stage)
            for index in range(images):
                calibrator.update(FrozenOutputs(logits, logits, None), labels, [dict(img_path=f'{index}.png')])
            calibrator.finish_stage(stage)
    return {'temperature scaling': fit}


AXES = {
    'pixels': (of_pixels, (2**15, 2**17, 2**19, 2**21), (2**15, 2**17)),
    'classes': (of_classes, (7, 19, 50, 150), (7, 19)),
    'heads': (of_heads, (1, 2, 4, 8, 16), (1, 4)),
    'calibration images': (of_images, (4, 16, 48), (2, 8)),
}


def exponent(sizes: Sizes, costs: Sequence[float]) -> float:
    """Slope of a line through the logarithms: 1 is linear."""
    return float(np.polyfit(np.log(sizes), np.log(costs), 1)[0])


def sizes_of(axis: str) -> Sizes:
    """Measured sizes of an axis."""
    return AXES[axis][1]


def rows(args: argparse.Namespace) -> Iterator[dict]:
    """Two rows per curve."""
    curves = {}
    for axis, (functions_of, *choices) in AXES.items():
        sizes = choices[args.quick]
        costs = {unit: [] for unit in UNITS}
        for size in sizes:
            functions = functions_of(size)
            costs['s'].append(seconds_in_turns(functions, 3))
            costs['MB'].append({name: extra_megabytes(function) for name, function in functions.items()})
        for unit, measured in costs.items():
            for name in measured[0]:
                curve = curves[unit, axis, name] = [entry[name] for entry in measured]
                slope = f'grows with the power {exponent(sizes, curve):.2f}' if min(curve) > 0 else f'{curve[0]:.3g}'
                yield row(f'{name} by {axis}', curve[-1], None, unit, f'at {sizes[-1]:,} {axis}; {slope} from {sizes[0]:,}')
    if not args.quick:
        draw(curves)


def draw(curves: dict[tuple[str, str, str], list[float]]) -> None:
    """One panel per unit and axis, with a line of slope 1."""
    from matplotlib import pyplot
    figure, panels = pyplot.subplots(len(UNITS), len(AXES), figsize=(3.2 * len(AXES), 3 * len(UNITS)), layout='constrained')
    for (unit, words), line_of_panels in zip(UNITS.items(), panels):
        for panel, axis in zip(line_of_panels, AXES):
            for (of_unit, of_axis, name), costs in curves.items():
                if (of_unit, of_axis) == (unit, axis):
                    panel.loglog(sizes_of(axis), costs, marker='o', markersize=3, label=name)
            low, high = panel.get_xlim()
            first = [line.get_ydata()[0] for line in panel.get_lines() if line.get_ydata()[0] > 0]
            start = math.exp(np.mean(np.log(first))) if first else 1
            panel.loglog([low, high], [start, start * high / low], color='0.7', linestyle='--', label='linear')
            panel.set_xticks(sizes_of(axis), [f'{size:,}' for size in sizes_of(axis)], fontsize=7)
            panel.minorticks_off()
            panel.set(xlabel=axis, ylabel=words)
            panel.legend(fontsize=7)
    figure.savefig(PICTURE, dpi=110)


if __name__ == '__main__':
    run_benchmark(__doc__, rows)
