"""Text in pictures, in the typeface that comes with Matplotlib."""
from __future__ import annotations

from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

LINE_HEIGHT = 1.3
INK, FAINT_INK = (20, 20, 20), (95, 95, 95)


@lru_cache(maxsize=32)
def typeface(size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """DejaVu Sans of so many pixels."""
    import matplotlib  # which who writes nothing into pictures does not wait for
    name = 'DejaVuSans-Bold.ttf' if bold else 'DejaVuSans.ttf'
    return ImageFont.truetype(str(Path(matplotlib.get_data_path()) / 'fonts/ttf' / name), max(size, 6))


class TextBlock:
    """Words that are broken into lines of a width.

    Args:
        text: The words.
        width: Pixels of a line.
        size: Height of the letters in pixels.
        bold: Whether they are bold.
        ink: Their colour, RGB.
    """

    def __init__(self, text: str, width: int, size: int, bold: bool = False, ink: tuple[int, int, int] = INK) -> None:
        self.face, self.ink, self.size = typeface(size, bold), ink, size
        self.lines = [line for part in text.split('\n') for line in _broken(part, self.face, width)]

    @property
    def height(self) -> int:
        """Pixels from the top of the first to the bottom of the last line."""
        return round(LINE_HEIGHT * self.size * len(self.lines))

    def draw(self, page: ImageDraw.ImageDraw, left: int, top: int) -> None:
        """Write the lines from this corner on."""
        for index, line in enumerate(self.lines):
            page.text((left, top + round(LINE_HEIGHT * self.size * index)), line, fill=self.ink, font=self.face)


def blank_page(width: int, height: int) -> tuple[Image.Image, ImageDraw.ImageDraw]:
    """A white picture and what draws on it."""
    picture = Image.new('RGB', (width, height), 'white')
    return picture, ImageDraw.Draw(picture)


def _broken(text: str, face: ImageFont.FreeTypeFont, width: int) -> list[str]:
    """Lines of at most so many pixels; words that are longer are cut."""
    lines = ['']
    for word in text.split():
        longer = f'{lines[-1]} {word}'.strip()
        if face.getlength(longer) <= width:
            lines[-1] = longer
            continue
        if lines[-1]:
            lines.append('')
        while face.getlength(word) > width and len(word) > 1:
            fits = next((end for end in range(len(word) - 1, 0, -1) if face.getlength(word[:end]) <= width), 1)
            lines[-1], word = word[:fits], word[fits:]
            lines.append('')
        lines[-1] = word
    return lines
