"""What all converters share: they check every file, then write ``images/`` and ``labels/``, or nothing."""
from __future__ import annotations

import argparse
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from mmseg_uncertainty.datasets import DatasetError
from mmseg_uncertainty.datasets.image_files import check_labels, read_labels
from mmseg_uncertainty.label_values import ANOMALY, IN_DISTRIBUTION, VOID

ANOMALY_VALUES = {value: value for value in (IN_DISTRIBUTION, ANOMALY, VOID)}


@dataclass(frozen=True)
class Frame:
    """One image to write.

    Args:
        name: Stem of the written image and label file.
        image: Source image.
        labels: Source labels.
        overlay: ``.npz`` file whose array ``rgb`` is added to the image, or ``None``.
    """

    name: str
    image: Path
    labels: Path
    overlay: Path | None = None

    def missing(self) -> list[Path]:
        """Source files that do not exist."""
        return [path for path in (self.image, self.labels, self.overlay) if path is not None and not path.is_file()]


def parser(description: str) -> argparse.ArgumentParser:
    """Command line with the options of all converters."""
    result = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument('--out', type=Path, required=True, metavar='DIR', help='folder to write; must not exist yet')
    result.add_argument('--check', action='store_true', help='only say what is missing; write nothing')
    return result


def run(find: Callable[[], Sequence[Frame]],
        out: Path,
        check: bool,
        official: int,
        values: Mapping[int, int] = ANOMALY_VALUES) -> int:
    """Check or convert, and say what was done.

    Args:
        find: Lists the frames; raises :class:`DatasetError` if a folder is missing.
        out: Folder to write.
        check: Whether to only look.
        official: Number of frames of the official data set.
        values: Label value to write for every value in the sources.

    Returns:
        Exit status: 0 if everything is there, 1 if not.
    """
    try:
        frames = find()
        absent = [path for frame in frames for path in frame.missing()]
        for path in absent:
            print(f'missing: {path}')
        print(f'found {len(frames)} frames, {len(absent)} files are missing; the official data set has {official} '
              'frames')
        if check:
            return int(bool(absent) or len(frames) != official)
        if absent:
            raise DatasetError(f'{absent[0]} is missing, as are {len(absent) - 1} further files. Complete the '
                               'download; --check lists all of them.')
        write_frames(frames, out, values)
    except DatasetError as error:
        print(f'error: {error}')
        return 1
    print(f'wrote {len(frames)} images and labels to {out}')
    return 0


def write_frames(frames: Sequence[Frame], out: Path, values: Mapping[int, int]) -> None:
    """Write all frames to ``out``, which appears once everything is written.

    Raises:
        DatasetError: If ``out`` exists, or a file does not fit.
    """
    if out.exists():
        raise DatasetError(f'{out} exists already. Remove it, or choose another folder with --out.')
    out.parent.mkdir(parents=True, exist_ok=True)
    partial = Path(tempfile.mkdtemp(prefix=f'.{out.name}-', dir=out.parent))
    try:
        for folder in ('images', 'labels'):
            (partial / folder).mkdir()
        for frame in frames:
            _write_frame(frame, partial, values)
        partial.chmod(0o755)
        partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _write_frame(frame: Frame, out: Path, values: Mapping[int, int]) -> None:
    try:
        with Image.open(frame.image) as image:
            # Images are read turned as their EXIF says, here and when they are used.
            pixels = np.array(ImageOps.exif_transpose(image).convert('RGB'))
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise DatasetError(f'{frame.image} cannot be read ({error}). Fetch it again.') from error
    labels = read_labels(frame.labels)
    check_labels(labels, frame.labels, frame.image, pixels.shape[:2], values)
    table = np.zeros(256, np.uint8)
    table[list(values)] = list(values.values())
    Image.fromarray(table[labels]).save(out / 'labels' / f'{frame.name}.png')
    if frame.overlay is None:
        shutil.copyfile(frame.image, out / 'images' / f'{frame.name}{frame.image.suffix}')
    else:
        Image.fromarray(_add_overlay(pixels, frame.overlay)).save(out / 'images' / f'{frame.name}.png')


def _add_overlay(pixels: np.ndarray, path: Path) -> np.ndarray:
    try:
        with np.load(path) as content:
            overlay = content['rgb'].astype(np.int32)
    except KeyError:
        raise DatasetError(f'{path} holds the arrays {content.files}, expected "rgb". Fetch it again.') from None
    except (OSError, ValueError, EOFError, AttributeError, TypeError, zipfile.BadZipFile, zlib.error) as error:
        reason = str(error) or type(error).__name__
        raise DatasetError(f'{path} cannot be read as .npz file ({reason}). Fetch it again.') from error
    if overlay.shape != pixels.shape:
        raise DatasetError(f'{path} has the shape {overlay.shape}, its Cityscapes image {pixels.shape}. Use the images '
                           'of leftImg8bit_trainvaltest.zip in full size.')
    return np.clip(pixels + overlay, 0, 255).astype(np.uint8)
