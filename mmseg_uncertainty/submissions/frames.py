"""Images that a submission answers, found in the folders of a benchmark as downloaded."""
from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from mmseg_uncertainty.runtime.image_checks import list_images
from mmseg_uncertainty.runtime.image_headers import header_size

from .submission_error import SubmissionError

MOST_NAMED = 3
HEADER_BYTES = 2**18


@dataclass(frozen=True)
class Frame:
    """One image that a submission answers.

    Args:
        name: What the benchmark calls it: path of its results without suffix.
        image: Its file.
    """

    name: str
    image: Path

    @property
    def size(self) -> tuple[int, int]:
        """Height and width in pixels, read from the header of the image.

        Raises:
            SubmissionError: The file cannot be opened, or is no image.
        """
        try:
            with self.image.open('rb') as file:
                size = header_size(file.read(HEADER_BYTES)) or header_size(self.image.read_bytes())
        except OSError as error:
            raise SubmissionError(f'{self.image} cannot be opened ({error.strerror}), and frame {self.name} is asked for. '
                                  'Download it again.') from None
        if size is None:
            raise SubmissionError(f'{self.image} is no image whose header tells its size, and frame {self.name} is asked for. '
                                  'Download it again.')
        return size


def frames_in(folder: str | Path, tail: str = '') -> list[Frame]:
    """Frames of all images of a folder and its sub-folders, named by their paths in it, sorted.

    Args:
        folder: Where the images are.
        tail: End of the stems that names of frames lack, such as ``'_leftImg8bit'``.

    Raises:
        DatasetError: The folder is missing or holds no image.
        SubmissionError: Two images have one name.
    """
    frames: dict[str, Frame] = {}
    for path in list_images(folder):
        name = path.relative_to(folder).with_suffix('').as_posix().removesuffix(tail)
        if name in frames:
            raise SubmissionError(f'{path} and {frames[name].image} are one frame, {name}. Keep one of them.')
        frames[name] = Frame(name, path)
    return list(frames.values())


def check_count(frames: Sequence[Frame], expected: int | None, split: str, folder: str | Path) -> None:
    """Check that a split is whole.

    Raises:
        SubmissionError: It has more or fewer frames than its benchmark says.
    """
    if expected is not None and len(frames) != expected:
        raise SubmissionError(f'{split} has {expected} frames, and {folder} holds {len(frames)} of them. A benchmark refuses a '
                              'submission that lacks a frame: complete the download, or name another --split.')


def shown(names: Collection[str]) -> str:
    """The first names of many, for a message."""
    first = sorted(names)[:MOST_NAMED]
    return ', '.join(first) + (f' and {len(names) - len(first)} more' if len(names) > len(first) else '')
