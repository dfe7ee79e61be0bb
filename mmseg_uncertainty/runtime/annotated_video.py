"""A video of predictions: every frame with what stands out, above a strip of the numbers over time."""
from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from .output_files import OutputError, whole_file
from .picture_text import FAINT_INK, INK, blank_page, typeface

FOURCC = dict(mpeg4='mp4v', vp9='vp09')
DEFAULT_RATE = 25.0
STRIP = 4
LINE = (0, 90, 181)


def frame_rate(video: Path, every: int) -> float:
    """Frames per second of a video of which every so many-th frame is taken."""
    capture = cv2.VideoCapture(str(video))
    rate = capture.get(cv2.CAP_PROP_FPS)
    capture.release()
    return (rate if math.isfinite(rate) and rate > 0 else DEFAULT_RATE) / every


def write_video(path: Path, frames: Sequence[Path], statistics: Mapping[str, Sequence[float]], rate: float,
                codec: str = 'mpeg4') -> None:
    """Write an MP4 of annotated frames, each above a strip that shows the numbers of all frames and where this one is.

    Args:
        path: File to write.
        frames: Pictures of the frames, of one size.
        statistics: Numbers by what they are, one for each frame.
        rate: Frames per second.
        codec: One of :data:`~mmseg_uncertainty.runtime.result_kinds.CODECS`.

    Raises:
        OutputError: OpenCV cannot write the format.
    """
    height, width = cv2.imread(str(frames[0])).shape[:2]
    strips = [_Strip(name, values, rate, width) for name, values in statistics.items()]
    size = (width + width % 2, height + sum(strip.height for strip in strips))
    size = (size[0], size[1] + size[1] % 2)
    with whole_file(path, path.suffix) as partial:
        writer = _writer(partial, codec, rate, size)
        for index, frame in enumerate(frames):
            page = np.full((size[1], size[0], 3), 255, np.uint8)
            page[:height, :width] = cv2.imread(str(frame))
            top = height
            for strip in strips:
                page[top:top + strip.height, :width] = strip.at(index)
                top += strip.height
            writer.write(page)
        writer.release()


class _Strip:
    """Curve of one number over time, with a mark at a frame; pixels are BGR."""

    def __init__(self, name: str, values: Sequence[float], rate: float, width: int) -> None:
        letters = max(width // 44, 10)
        self.height = letters * STRIP + 2 * letters
        self._top, self._bottom = round(1.6 * letters), self.height - letters // 2
        left, right = letters, width - letters
        numbers = np.asarray(values, float)
        low, high = min(float(numbers.min()), 0.0), float(numbers.max())
        spread = high - low or 1.0
        self._columns = np.linspace(left, right, len(numbers)) if len(numbers) > 1 else np.array([(left + right) / 2])
        self._rows = self._bottom - (numbers - low) / spread * (self._bottom - self._top)
        page, pen = blank_page(width, self.height)
        face = typeface(letters)
        pen.text((left, letters // 4), f'{name} (up to {high:.3g})', fill=INK, font=face)
        pen.text((right, letters // 4), f'{len(numbers) / rate:.1f} s', fill=FAINT_INK, font=face, anchor='ra')
        pen.line([(left, self._bottom), (right, self._bottom)], fill=FAINT_INK)
        points = list(zip(self._columns.tolist(), self._rows.tolist()))
        if len(points) > 1:
            pen.line(points, fill=LINE, width=max(letters // 6, 2))
        self._page, self._mark = np.array(page)[..., ::-1].copy(), max(letters // 3, 3)

    def at(self, frame: int) -> np.ndarray:
        page, column = self._page.copy(), round(self._columns[frame])
        cv2.line(page, (column, self._top), (column, self._bottom), (90, 90, 90), max(self._mark // 3, 1))
        cv2.circle(page, (column, round(self._rows[frame])), self._mark, (0, 0, 0), -1)
        return page


def _writer(path: Path, codec: str, rate: float, size: tuple[int, int]) -> cv2.VideoWriter:
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*FOURCC[codec]), rate, size)
    if not writer.isOpened():
        others = ' or '.join(f'--codec {other}' for other in FOURCC if other != codec)
        raise OutputError(f'{path} cannot be written: this OpenCV does not encode {codec}. Try {others}, leave figures out of '
                          '--save, or install another opencv-python.')
    return writer
