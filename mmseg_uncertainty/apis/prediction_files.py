"""What the inferencer writes for an image, and the numbers that sum it up."""
from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from mmseg.structures import SegDataSample
from PIL import Image

from mmseg_uncertainty.visualization.overlays import overlay_classes, overlay_scores
from mmseg_uncertainty.visualization.score_scale import ScoreScale
from mmseg_uncertainty.visualization.uncertainty_figure import draw_uncertainty

from .results_file import write_json


def summarize_prediction(sample: SegDataSample, classes: Sequence[str], scales: Mapping[str, ScoreScale]) -> dict:
    """Areas of the classes and, per head, mean uncertainty and share of flagged pixels.

    Args:
        sample: Result of a :class:`~mmseg_uncertainty.models.PosthocSegmentor`.
        classes: Names of the classes.
        scales: Scale of each head.

    Returns:
        Plain values, ready for JSON; ``flagged_share`` is ``None`` where a score has no threshold.
    """
    labels = sample.pred_sem_seg.data[0].cpu().numpy()
    areas = np.bincount(labels.ravel(), minlength=len(classes))
    summary = dict(
        height=labels.shape[0],
        width=labels.shape[1],
        classes={name: dict(pixels=int(area), share=area / labels.size) for name, area in zip(classes, areas) if area},
        uncertainty={name: _summarize_map(score_map(sample, name), scale) for name, scale in scales.items()})
    if 'prediction_set' in sample:
        sizes = sample.prediction_set.size.cpu().numpy()
        summary['prediction_set'] = dict(mean_size=float(sizes.mean()), single_share=float((sizes == 1).mean()),
                                         largest_size=int(sizes.max()))
    return summary


def score_map(sample: SegDataSample, head: str) -> np.ndarray:
    """Uncertainty map of a head, shape (H, W), float32."""
    return sample.uncertainty.get(head)[0].float().cpu().numpy()


def save_prediction(folder: str | Path,
                    name: str,
                    image: np.ndarray,
                    sample: SegDataSample,
                    summary: dict,
                    classes: Sequence[str],
                    palette: Sequence[Sequence[int]],
                    scales: Mapping[str, ScoreScale]) -> dict[str, str]:
    """Write everything known about one image.

    Args:
        folder: Where to write; a sub-folder per kind of file is made.
        name: Path of the results inside each sub-folder, without suffix.
        image: Shape (H, W, 3), uint8, RGB.
        sample: Result of a :class:`~mmseg_uncertainty.models.PosthocSegmentor`.
        summary: Content of the JSON file, to which the paths are added.
        classes: Names of the classes.
        palette: Their colours, RGB from 0 to 255.
        scales: Scale of each head.

    Returns:
        Paths relative to ``folder``, by kind of file.
    """
    folder, labels = Path(folder), sample.pred_sem_seg.data[0].cpu().numpy()
    ranges = {head: scale.range for head, scale in scales.items() if scale.range}
    overlays = {head: overlay_scores(image, score_map(sample, head), ranges.get(head)) for head in scales}
    pictures = dict(
        labels=labels.astype(np.uint8 if len(classes) <= 256 else np.uint16),
        prediction=overlay_classes(image, labels, palette),
        **overlays)
    files = {kind: _save_picture(folder, 'labels' if kind == 'labels' else f'overlays/{kind}', name, picture)
             for kind, picture in pictures.items()}
    files['uncertainty'] = _save_maps(folder, name, sample, scales)
    units = {head: scale.units for head, scale in scales.items()}
    figure = draw_uncertainty(image, sample, classes, palette, ranges, units=units)
    figure.savefig(_path(folder, 'figures', name, '.png'), dpi=80)
    files['figure'] = f'figures/{name}.png'
    write_json(_path(folder, 'summaries', name, '.json'), dict(summary, files=files))
    return dict(files, summary=f'summaries/{name}.json')


def _summarize_map(scores: np.ndarray, scale: ScoreScale) -> dict:
    flagged = None if scale.threshold is None else float((scores >= scale.threshold).mean())
    return dict(units=scale.units, mean=float(scores.mean(dtype=np.float64)), smallest=float(scores.min()),
                largest=float(scores.max()), threshold=scale.threshold, flagged_share=flagged)


def _save_maps(folder: Path, name: str, sample: SegDataSample, scales: Mapping[str, ScoreScale]) -> str:
    maps = {head: score_map(sample, head) for head in scales}
    if 'prediction_set' in sample:
        maps['set_size'] = sample.prediction_set.size[0].cpu().numpy().astype(np.uint16)
        maps['set_membership'] = sample.prediction_set.membership.cpu().numpy()
    units = {head: f'{scale.units}; higher is more uncertain' for head, scale in scales.items()}
    np.savez_compressed(_path(folder, 'uncertainty', name, '.npz'), **maps, units=json.dumps(units))
    return f'uncertainty/{name}.npz'


def _save_picture(folder: Path, kind: str, name: str, picture: np.ndarray) -> str:
    Image.fromarray(picture).save(_path(folder, kind, name, '.png'))
    return f'{kind}/{name}.png'


def _path(folder: Path, kind: str, name: str, suffix: str) -> Path:
    path = folder / kind / f'{name}{suffix}'
    path.parent.mkdir(parents=True, exist_ok=True)
    return path
