"""The numbers that sum up a prediction, and the files of one image."""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from .output_files import OutputError, whole_file
from .prediction import Prediction, share
from .score_scale import ScoreScale

JPEG_QUALITY = 90
# Labels have large even areas: what is left of a row beside the one above packs well at the quickest level.
PNG_OPTIONS = [cv2.IMWRITE_PNG_COMPRESSION, 1, cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE]
# OpenCV before 4.12 chooses the filter itself.
PNG_OPTIONS += [cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP] if hasattr(cv2, 'IMWRITE_PNG_FILTER') else []


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
    summary = dict(
        height=labels.shape[0],
        width=labels.shape[1],
        classes={name: dict(pixels=int(area), share=area / labels.size) for name, area in zip(classes, prediction.areas) if area},
        uncertainty={name: _summarize_map(prediction.uncertainty[name], scale) for name, scale in scales.items()})
    if prediction.set_size is not None:
        sizes = prediction.set_size
        summary['prediction_set'] = dict(mean_size=float(sizes.mean()), single_share=share(sizes == 1),
                                         largest_size=int(sizes.max()))
    if flags:
        summary['flags'] = {name: dict(values) for name, values in flags.items()}
    return summary


def write_picture(path: Path, picture: np.ndarray, sharp: bool = True) -> None:
    """Write a picture, as PNG or JPEG by the suffix of its path.

    Args:
        path: File to write; folders are made.
        picture: Shape (H, W) or (H, W, 3), RGB, uint8, and uint16 in PNG.
        sharp: Whether a JPEG keeps the colour of every pixel, for thin lines and letters; videos have one of four anyway.

    Raises:
        OutputError: The file cannot be written.
    """
    options = PNG_OPTIONS
    if path.suffix == '.jpg':
        sampling = cv2.IMWRITE_JPEG_SAMPLING_FACTOR_444 if sharp else cv2.IMWRITE_JPEG_SAMPLING_FACTOR_420
        options = [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, sampling]
    done, content = cv2.imencode(path.suffix, picture if picture.ndim == 2 else picture[..., ::-1], options)
    if not done:
        raise OutputError(f'{path} cannot be written: OpenCV does not encode {picture.shape[1]}×{picture.shape[0]} pixels as '
                          f'{path.suffix}.')
    with whole_file(path) as partial:
        partial.write_bytes(content.tobytes())


def _summarize_map(scores: np.ndarray, scale: ScoreScale) -> dict:
    flagged = None if scale.threshold is None else share(scores >= scale.threshold)
    return dict(units=scale.units, mean=float(scores.mean(dtype=np.float64)), smallest=float(scores.min()),
                largest=float(scores.max()), threshold=scale.threshold, flagged_share=flagged)
