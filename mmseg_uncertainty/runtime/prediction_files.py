"""What the inferencer writes for an image, and the numbers that sum it up."""
from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from .image_sources import RESULT_MARK
from .json_files import write_json
from .output_files import whole_file
from .overlays import outline_flags, overlay_classes, overlay_scores
from .prediction import Prediction
from .prediction_figure import draw_prediction
from .score_scale import ScoreScale


def summarize_prediction(prediction: Prediction, classes: Sequence[str], scales: Mapping[str, ScoreScale],
                         flags: Mapping[str, Mapping] | None = None) -> dict:
    """Areas of the classes and, per head, mean uncertainty and share of flagged pixels.

    Args:
        prediction: Result for the image.
        classes: Names of the classes.
        scales: Scale of each head.
        flags: What each decision says of the image.

    Returns:
        Plain values, ready for JSON; ``flagged_share`` is ``None`` where a score has no threshold.
    """
    labels = prediction.labels
    areas = np.bincount(labels.ravel(), minlength=len(classes))
    summary = dict(
        height=labels.shape[0],
        width=labels.shape[1],
        classes={name: dict(pixels=int(area), share=area / labels.size) for name, area in zip(classes, areas) if area},
        uncertainty={name: _summarize_map(prediction.uncertainty[name], scale) for name, scale in scales.items()})
    if prediction.set_size is not None:
        sizes = prediction.set_size
        summary['prediction_set'] = dict(mean_size=float(sizes.mean()), single_share=float((sizes == 1).mean()),
                                         largest_size=int(sizes.max()))
    if flags:
        summary['flags'] = {name: dict(values) for name, values in flags.items()}
    return summary


def save_prediction(folder: str | Path,
                    name: str,
                    image: np.ndarray,
                    prediction: Prediction,
                    summary: dict,
                    classes: Sequence[str],
                    palette: Sequence[Sequence[int]],
                    scales: Mapping[str, ScoreScale]) -> dict[str, str]:
    """Write everything known about one image.

    Args:
        folder: Where to write; a sub-folder per kind of file is made.
        name: Path of the results inside each sub-folder, without suffix.
        image: Shape (H, W, 3), uint8, RGB.
        prediction: Result for the image.
        summary: Content of the JSON file, to which the paths are added.
        classes: Names of the classes.
        palette: Their colours, RGB from 0 to 255.
        scales: Scale of each head.

    Returns:
        Paths relative to ``folder``, by kind of file.

    Raises:
        OutputError: A file cannot be written.
    """
    folder, labels = Path(folder), prediction.labels
    # This folder tells results from images that are to be predicted.
    (folder / RESULT_MARK).mkdir(parents=True, exist_ok=True)
    ranges = {head: scale.range for head, scale in scales.items() if scale.range}
    overlays = {head: overlay_scores(image, prediction.uncertainty[head], ranges.get(head)) for head in scales}
    if prediction.set_size is not None:
        overlays['set_size'] = overlay_scores(image, prediction.set_size, (1, len(classes)))
    overlays |= {f'flags_{name}': outline_flags(image, flags) for name, flags in prediction.flags.items()}
    pictures = dict(
        labels=labels.astype(np.uint8 if len(classes) <= 256 else np.uint16),
        prediction=overlay_classes(image, labels, palette),
        **overlays)
    files = {kind: _save_picture(folder, 'labels' if kind == 'labels' else f'overlays/{kind}', name, picture)
             for kind, picture in pictures.items()}
    files['uncertainty'] = _save_maps(folder, name, prediction, scales)
    units = {head: scale.units for head, scale in scales.items()}
    figure = draw_prediction(image, prediction, classes, palette, ranges, units=units)
    with whole_file(folder / 'figures' / f'{name}.png') as partial:
        figure.savefig(partial, format='png', dpi=80)
    files['figure'] = f'figures/{name}.png'
    write_json(folder / RESULT_MARK / f'{name}.json', dict(summary, files=files))
    return dict(files, summary=f'{RESULT_MARK}/{name}.json')


def _summarize_map(scores: np.ndarray, scale: ScoreScale) -> dict:
    flagged = None if scale.threshold is None else float((scores >= scale.threshold).mean())
    return dict(units=scale.units, mean=float(scores.mean(dtype=np.float64)), smallest=float(scores.min()),
                largest=float(scores.max()), threshold=scale.threshold, flagged_share=flagged)


def _save_maps(folder: Path, name: str, prediction: Prediction, scales: Mapping[str, ScoreScale]) -> str:
    maps = {head: prediction.uncertainty[head] for head in scales}
    if prediction.set_size is not None:
        maps['set_size'] = prediction.set_size.astype(np.uint16)
    if prediction.set_membership is not None:
        maps['set_membership'] = prediction.set_membership
    maps |= {f'flags_{decision}': flags for decision, flags in prediction.flags.items()}
    units = {head: f'{scale.units}; higher is more uncertain' for head, scale in scales.items()}
    with whole_file(folder / 'uncertainty' / f'{name}.npz') as partial, partial.open('wb') as file:
        np.savez_compressed(file, **maps, units=json.dumps(units))
    return f'uncertainty/{name}.npz'


def _save_picture(folder: Path, kind: str, name: str, picture: np.ndarray) -> str:
    with whole_file(folder / kind / f'{name}.png') as partial:
        Image.fromarray(picture).save(partial, format='PNG')
    return f'{kind}/{name}.png'
