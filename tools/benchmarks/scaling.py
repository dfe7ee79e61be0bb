"""How time grows with pixels, classes, heads and calibration images; draws docs/pictures/scaling.png."""
from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import matplotlib
import numpy as np
import torch
from side_by_side import row, run_benchmark, seconds_in_turns

from mmseg_uncertainty.functional import energy, entropy, margin, max_logit, msp, summarize
from mmseg_uncertainty.functional.calibration_error import reliability_sums
from mmseg_uncertainty.functional.score_histogram import ScoreHistogram
from mmseg_uncertainty.models.calibrators import TemperatureScaling
from mmseg_uncertainty.structures import FrozenOutputs

matplotlib.use('Agg')
PICTURE = Path(__file__).resolve().parents[2] / 'docs/pictures/scaling.png'
SCORES = (msp, max_logit, energy, entropy, margin)
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


def exponent(sizes: Sizes, seconds: Sequence[float]) -> float:
    """Slope of a line through the logarithms: 1 is linear."""
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def sizes_of(axis: str) -> Sizes:
    """Measured sizes of an axis."""
    return AXES[axis][1]


def rows(args: argparse.Namespace) -> Iterator[dict]:
    """One row per curve."""
    curves = {}
    for axis, (functions_of, *choices) in AXES.items():
        sizes = choices[args.quick]
        times = [seconds_in_turns(functions_of(size), 3) for size in sizes]
        for name in times[0]:
            curves[axis, name] = sizes, [entry[name] for entry in times]
            slope = exponent(*curves[axis, name])
            yield row(f'{name} by {axis}', times[-1][name], None, 's', f'at {sizes[-1]:,} {axis}; grows with the power '
                      f'{slope:.2f} from {sizes[0]:,}')
    if not args.quick:
        draw(curves)


def draw(curves: dict[tuple[str, str], tuple[Sizes, list[float]]]) -> None:
    """One panel per axis, with a line of slope 1."""
    from matplotlib import pyplot
    figure, panels = pyplot.subplots(1, len(AXES), figsize=(3.2 * len(AXES), 3), layout='constrained')
    for panel, axis in zip(panels, AXES):
        for (of, name), (sizes, seconds) in curves.items():
            if of == axis:
                panel.loglog(sizes, seconds, marker='o', markersize=3, label=name)
        low, high = panel.get_xlim()
        start = math.exp(np.mean([np.log(line.get_ydata()[0]) for line in panel.get_lines()]))
        panel.loglog([low, high], [start, start * high / low], color='0.7', linestyle='--', label='linear')
        panel.set_xticks(sizes_of(axis), [f'{size:,}' for size in sizes_of(axis)], fontsize=7)
        panel.minorticks_off()
        panel.set(xlabel=axis, ylabel='seconds of one thread')
        panel.legend(fontsize=7)
    figure.savefig(PICTURE, dpi=110)


if __name__ == '__main__':
    run_benchmark(__doc__, rows)
