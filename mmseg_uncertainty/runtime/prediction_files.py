"""The numbers that sum up a prediction, and the files of one image."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from .output_files import OutputError, whole_file
from .prediction import Prediction
from .score_scale import ScoreScale

JPEG_QUALITY = 90
# Labels have large even areas, which the quickest level packs well.
PNG_LEVEL = 1


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


def write_picture(path: Path, picture: np.ndarray) -> None:
    """Write a picture, as PNG or JPEG by the suffix of its path.

    Args:
        path: File to write; folders are made.
        picture: Shape (H, W) or (H, W, 3), RGB, uint8, and uint16 in PNG.

    Raises:
        OutputError: The file cannot be written.
    """
    options = [cv2.IMWRITE_PNG_COMPRESSION, PNG_LEVEL]
    if path.suffix == '.jpg':
        # Full colour at every pixel keeps thin lines and letters sharp.
        options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444]
    done, content = cv2.imencode(path.suffix, picture if picture.ndim == 2 else picture[..., ::-1], options)
    if not done:
        raise OutputError(f'{path} cannot be written: OpenCV does not encode {picture.shape[1]}×{picture.shape[0]} pixels as '
                          f'{path.suffix}.')
    with whole_file(path) as partial:
        partial.write_bytes(content.tobytes())


def _summarize_map(scores: np.ndarray, scale: ScoreScale) -> dict:
    flagged = None if scale.threshold is None else float((scores >= scale.threshold).mean())
    return dict(units=scale.units, mean=float(scores.mean(dtype=np.float64)), smallest=float(scores.min()),
                largest=float(scores.max()), threshold=scale.threshold, flagged_share=flagged)
