"""What an image file says of itself, without decoding it."""
from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO

from PIL import Image

_pillow_limit = threading.Lock()


@contextmanager
def large_images() -> Iterator[None]:
    """Let Pillow open what it takes for an attack: maps of cities and slides have more pixels than photos."""
    with _pillow_limit:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


def header_size(content: bytes) -> tuple[int, int] | None:
    """Height and width that the header of an image file names; ``None`` where Pillow does not know the format.

    Examples:
        >>> content = BytesIO()
        >>> Image.new('RGB', (3, 2)).save(content, 'PNG')
        >>> header_size(content.getvalue())
        (2, 3)
    """
    try:
        with large_images(), Image.open(BytesIO(content)) as image:
            return image.height, image.width
    except (OSError, SyntaxError, ValueError):
        return None
