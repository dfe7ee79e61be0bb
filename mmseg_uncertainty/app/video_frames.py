"""Frames of an uploaded video."""
from __future__ import annotations

import cv2
import numpy as np

from mmseg_uncertainty.datasets import DatasetError

from .explored_image import MOST_PIXELS


def frame_count(path: str) -> int:
    """Number of frames that a video says it has.

    Raises:
        DatasetError: It has none that can be decoded.
    """
    capture = cv2.VideoCapture(path)
    count, readable = int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), capture.grab()
    size = capture.get(cv2.CAP_PROP_FRAME_WIDTH) * capture.get(cv2.CAP_PROP_FRAME_HEIGHT)
    capture.release()
    if not readable:
        raise DatasetError(f'{path} holds no frame that can be decoded. Convert it, for example to MP4 with H.264.')
    if size > MOST_PIXELS:
        raise DatasetError(f'{path} has frames of {size:,.0f} pixels, expected {MOST_PIXELS:,} at most. Shrink it.')
    return max(count, 1)


def read_frame(path: str, index: int) -> np.ndarray:
    """A frame by its number from 0, shape (H, W, 3), uint8, BGR.

    Raises:
        DatasetError: It cannot be decoded, or the file was deleted meanwhile.
    """
    capture = cv2.VideoCapture(path)
    capture.set(cv2.CAP_PROP_POS_FRAMES, index)
    decoded, frame = capture.read()
    capture.release()
    if not decoded:
        raise DatasetError(f'{path}: frame {index} cannot be read. Choose another frame, or upload the video again.')
    return frame
