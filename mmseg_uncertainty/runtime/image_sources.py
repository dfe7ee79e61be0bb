"""Images to predict: found by path, folder, pattern or in videos, read as the test pipelines read them."""
from __future__ import annotations

import glob
import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import cv2
import numpy as np

from .dataset_error import DatasetError
from .image_checks import IMAGE_SUFFIXES, SKIP_HINT, check_image_file, walk_files
from .image_headers import header_size

CHANNEL_ORDERS = ('bgr', 'rgb')
VIDEO_SUFFIXES = ('.mp4', '.avi', '.mov', '.mkv', '.webm', '.m4v', '.mpg', '.mpeg')
WILDCARDS = '*?['
# Folders of pictures among the results of a prediction, and the one that tells them from other folders of these names.
RESULT_FOLDERS, RESULT_MARK = ('labels', 'overlays', 'figures', 'maps', '.frames'), 'summaries'
# File systems take 255 bytes, suffix and the numbers of equal names included.
LONGEST_NAME = 240


@dataclass(frozen=True)
class ImageSource:
    """One image to predict, or a video of them.

    Args:
        name: Name of the results, relative and without suffix; unique among the images found together.
        content: Path of the file, or pixels of shape (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), uint8 or uint16.
        video: File whose frame this is.
    """

    name: str
    content: Path | np.ndarray
    video: Path | None = None

    @property
    def label(self) -> str:
        """What messages call the image."""
        if self.video is not None:
            return f'{self.video}, {self.name.rpartition("/")[2]}'
        return str(self.content) if isinstance(self.content, Path) else f'array {self.name}'

    @property
    def is_video(self) -> bool:
        """Whether this is a file of many frames."""
        return isinstance(self.content, Path) and self.content.suffix.lower() in VIDEO_SUFFIXES


def find_images(inputs: str | Path | np.ndarray | Sequence[str | Path | np.ndarray],
                out_dir: str | Path = '') -> list[ImageSource]:
    """List what there is to predict.

    Args:
        inputs: An image, a video, a folder of images (with its sub-folders; videos in it are left out), a pattern such as
            ``street/*.jpg``, an array, or a sequence of these.
        out_dir: Where results go; what an earlier prediction left there is passed over.

    Raises:
        DatasetError: A file or folder is missing or holds no image, or a pattern matches none.
    """
    entries = inputs if isinstance(inputs, (list, tuple)) else [inputs]
    found = [pair for entry in entries for pair in _expand(entry, Path(out_dir) if out_dir else None)]
    stems = Counter(_stem(path, root) for path, root in found if isinstance(path, Path))
    sources, taken = [], set()
    for index, (content, root) in enumerate(found):
        name = f'array_{index:06d}' if isinstance(content, np.ndarray) else _stem(content, root)
        name = _free_name(_short_name(name if stems[name] < 2 else content.relative_to(root).as_posix()), taken)
        taken.add(name)
        sources.append(ImageSource(name, content))
    return sources


def count_images(sources: Sequence[ImageSource]) -> int:
    """Number of images, with the frames that videos say they have."""
    return sum(_frame_count(source.content) if source.is_video else 1 for source in sources)


def each_image(sources: Sequence[ImageSource], every: int = 1) -> Iterator[ImageSource]:
    """All images one by one, videos frame by frame.

    Args:
        sources: What :func:`find_images` found.
        every: Frames of a video from one image to the next.

    Raises:
        DatasetError: A video holds no frame that can be decoded.
    """
    for source in sources:
        if source.is_video:
            yield from _frames(source, every)
        else:
            yield source


def read_image(source: ImageSource, channel_order: str = 'bgr', max_pixels: int | None = None) -> np.ndarray:
    """Read an image exactly as ``LoadImageFromFile`` does, EXIF orientation included.

    Grey becomes three equal channels, transparency is dropped, and 16 bits keep their upper 8.

    Args:
        source: The image.
        channel_order: Order of the colour channels of an array, ``'bgr'`` (of mmseg and OpenCV) or ``'rgb'``.
        max_pixels: Most pixels of a file, looked up in its header before anything is decoded; ``None`` for any number.

    Returns:
        Shape (H, W, 3), uint8, BGR.

    Raises:
        DatasetError: The file is no image, is cut off, is too large, or the array has a wrong shape or type.
    """
    if channel_order not in CHANNEL_ORDERS:
        raise ValueError(f'channel_order={channel_order!r} is unknown; choose from {CHANNEL_ORDERS}.')
    if isinstance(source.content, np.ndarray):
        return _from_array(source, 'bgr' if source.video else channel_order)
    try:
        content = source.content.read_bytes()
    except OSError as error:
        raise DatasetError(f'{source.label} cannot be opened ({error.strerror}). {SKIP_HINT}') from error
    return decode_image(content, source.label, max_pixels)


def decode_image(content: bytes, label: str, max_pixels: int | None = None, advice: str = SKIP_HINT) -> np.ndarray:
    """Decode the bytes of an image file; see :func:`read_image`.

    Args:
        content: The whole file.
        label: What messages call it.
        max_pixels: Most pixels that the header may name.
        advice: What to do about a broken one.

    Raises:
        DatasetError: The bytes are no image, are cut off or too many.
    """
    check_image_file(label, content, advice)
    if max_pixels is not None:
        _check_size(label, content, max_pixels)
    try:
        image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    except cv2.error as error:
        raise DatasetError(f'{label} cannot be decoded ({error.err or "too large"}). {advice}') from error
    if image is None:
        raise DatasetError(f'{label} is not an image that OpenCV can read ({len(content)} bytes, starting with '
                           f'{content[:8]!r}). {advice}')
    return image


def _check_size(label: str, content: bytes, max_pixels: int) -> None:
    size = header_size(content)
    if size is None:
        raise DatasetError(f'{label} is not an image whose header tells its size ({len(content)} bytes, starting with '
                           f'{content[:8]!r}). Convert it to PNG or JPEG.')
    if size[0] * size[1] > max_pixels:
        raise DatasetError(f'{label} has {size[1]}×{size[0]} pixels, expected {max_pixels:,} at most. Shrink it, or '
                           'use tools/infer.py, which takes any size.')


def short_part(part: str, most: int = LONGEST_NAME) -> str:
    """The name of a file or folder, cut to so many bytes; what was cut off is told apart by its hash.

    Examples:
        >>> short_part('street.png'), len(short_part('street' * 100))
        ('street.png', 240)
    """
    content = part.encode(errors='surrogateescape')
    if len(content) <= most:
        return part
    digest = hashlib.sha256(content).hexdigest()[:8]
    return f'{content[:most - 9].decode(errors="ignore")}-{digest}'


def _expand(entry: str | Path | np.ndarray, out_dir: Path | None) -> list[tuple[Path | np.ndarray, Path]]:
    if isinstance(entry, np.ndarray):
        return [(entry, Path())]
    path = Path(entry).expanduser()
    if path.is_file():
        return [(path, path.parent)]
    if any(letter in str(path) for letter in WILDCARDS) and not path.exists():
        return [(match, match.parent) for match in _without_results(_matches(str(path)), _fixed_part(path), path, out_dir)]
    if not path.exists():
        raise DatasetError(f'{path} does not exist. Give an image, a folder of images or a pattern such as '
                           '"street/*.jpg".')
    return [(file, path) for file in _without_results(_images_of(path), path, path, out_dir)]


def _images_of(folder: Path) -> list[Path]:
    """Images of a folder and its sub-folders; videos, which may be hours long, are predicted where they are named."""
    files = sorted(walk_files(folder))
    images = [file for file in files if file.suffix.lower() in IMAGE_SUFFIXES]
    if not images:
        video = next((file for file in files if file.suffix.lower() in VIDEO_SUFFIXES), None)
        advice = 'Give a folder of images' if video is None else f'Videos are named one by one or by a pattern, such as {video}'
        raise DatasetError(f'{folder} holds no image ({", ".join(IMAGE_SUFFIXES)}). {advice}.')
    return images


def _fixed_part(pattern: Path) -> Path:
    return Path(*takewhile(lambda part: not any(letter in part for letter in WILDCARDS), pattern.parts))


def _without_results(files: list[Path], root: Path, entry: Path, out_dir: Path | None) -> list[Path]:
    """Files that are no results of an earlier run, which may lie in the folder that is predicted."""
    if out_dir is None or not (out_dir / RESULT_MARK).is_dir():
        return files
    results = [(out_dir / name).resolve() for name in RESULT_FOLDERS]
    if any(root.resolve().is_relative_to(folder) for folder in results):
        return files
    kept = [file for file in files if not any(file.resolve().is_relative_to(folder) for folder in results)]
    if not kept:
        raise DatasetError(f'{entry} holds nothing but the results of an earlier run in {out_dir}. Give a folder of images.')
    return kept


def _matches(pattern: str) -> list[Path]:
    files = [Path(name) for name in sorted(glob.glob(pattern, recursive=True))]
    files = [file for file in files if file.is_file() and file.suffix.lower() in IMAGE_SUFFIXES + VIDEO_SUFFIXES]
    if not files:
        raise DatasetError(f'No image matches {pattern}. Check the pattern; images end in {", ".join(IMAGE_SUFFIXES)}.')
    return files


def _frames(source: ImageSource, every: int) -> Iterator[ImageSource]:
    capture, index = cv2.VideoCapture(str(source.content)), 0
    while capture.grab():
        if index % every == 0:
            decoded, frame = capture.retrieve()
            if decoded:
                yield ImageSource(f'{source.name}/frame_{index:06d}', frame, source.content)
        index += 1
    capture.release()
    if not index:
        raise DatasetError(f'{source.content} holds no frame that OpenCV can decode. Convert it, for example to MP4 with '
                           'H.264.')


def _frame_count(path: Path) -> int:
    capture = cv2.VideoCapture(str(path))
    count = max(int(capture.get(cv2.CAP_PROP_FRAME_COUNT)), 0)
    capture.release()
    return count


def _stem(path: Path, root: Path) -> str:
    return path.relative_to(root).with_suffix('').as_posix()


def _short_name(name: str) -> str:
    """The name, with folders and file cut to what a file system takes."""
    return '/'.join(short_part(part) for part in name.split('/'))


def _free_name(name: str, taken: set[str]) -> str:
    if name not in taken:
        return name
    return next(free for number in range(2, len(taken) + 3) if (free := f'{name}_{number}') not in taken)


def _from_array(source: ImageSource, channel_order: str) -> np.ndarray:
    pixels = source.content
    pixels = pixels[..., None] if pixels.ndim == 2 else pixels
    if pixels.ndim != 3 or pixels.shape[-1] not in (1, 3, 4) or not pixels.size:
        raise DatasetError(f'{source.label} has the shape {source.content.shape}, expected (H, W), (H, W, 1), '
                           '(H, W, 3) or (H, W, 4) with at least one pixel.')
    if pixels.dtype not in (np.uint8, np.uint16):
        raise DatasetError(f'{source.label} has the type {pixels.dtype}, expected uint8 or uint16. Scale it to 0..255 '
                           'and convert it first.')
    pixels = (pixels >> 8).astype(np.uint8) if pixels.dtype == np.uint16 else pixels
    if pixels.shape[-1] == 1:
        return np.repeat(pixels, 3, axis=-1)
    pixels = pixels[..., :3]
    return np.ascontiguousarray(pixels if channel_order == 'bgr' else pixels[..., ::-1])
