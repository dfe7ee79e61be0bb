"""One picture that answers: what is where, and where not to trust it."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from .findings import Finding, percent
from .overlays import outline_flags, overlay_classes
from .picture_sizes import covered, fitted_size, grown, joined, picked, shrunk
from .picture_text import FAINT_INK, TextBlock, blank_page
from .prediction import Prediction

LEAST_SIDE, MOST_SIDE = 1000, 2000
# Parts of the width of a page; its text can be read where the page is 412 pixels wide.
SENTENCE, LEGEND, CAPTION, MARGIN = 36, 42, 56, 40
MOST_CLASSES, SMALLEST_SHARE = 12, 0.001
UPRIGHT, SIDE_COLUMN = 0.9, 0.65
CLASS_OPACITY = 0.4
# Pixels of the longer side for a pixel of the outlines, which shall be seen on a phone.
LINE_PART = 350
# Longer side at which flagged pixels become regions: about what a line is wide.
REGION_SIDE = 640


def draw_answer(image: np.ndarray, prediction: Prediction, classes: Sequence[str], palette: Sequence[Sequence[int]],
                finding: Finding, caption: str = '') -> np.ndarray:
    """Draw the prediction over the image, outlines around what was found, the legend and the sentence.

    Args:
        image: Shape (H, W, 3), uint8, RGB, of any size.
        prediction: Result for the image.
        classes: Names of the classes.
        palette: Their colours, RGB from 0 to 255.
        finding: Pixels to outline, and what to say of them.
        caption: What was predicted, and by which model.

    Returns:
        Shape (H', W', 3), uint8, RGB. The longer side of the image has 1,000 to 2,000 pixels; the legend lies below it, and beside
        upright images.
    """
    size = answer_size(prediction)
    shown = annotated(image, prediction, palette, finding, size)
    upright = size[1] < UPRIGHT * size[0]
    column = round(SIDE_COLUMN * size[0]) if upright else size[1]
    width = size[1] + column if upright else size[1]
    margin = max(width // MARGIN, 1)
    words = TextBlock(finding.sentence, column - 2 * margin, width // SENTENCE, bold=True)
    note = TextBlock(caption, column - 2 * margin, width // CAPTION, ink=FAINT_INK)
    legend = _legend(prediction, classes, palette, finding, column - 2 * margin, width // LEGEND)
    heights = (words.height, legend.height, note.height)
    height = max(size[0], sum(heights) + 4 * margin) if upright else size[0] + sum(heights) + 4 * margin
    left, top = (size[1] + margin, 0) if upright else (margin, 2 * margin + words.height)
    below = 2 * margin + words.height if upright else top + size[0] + margin // 2
    page, pen = blank_page(width, height)
    page.paste(Image.fromarray(shown), (0, top))
    words.draw(pen, left, margin)
    legend.draw(pen, left, below)
    note.draw(pen, left, height - margin - note.height)
    return np.array(page)


def answer_size(prediction: Prediction) -> tuple[int, int]:
    """Height and width at which an image is shown."""
    return fitted_size(prediction.size, LEAST_SIDE, MOST_SIDE)


def annotated(image: np.ndarray, prediction: Prediction, palette: Sequence[Sequence[int]], finding: Finding,
              size: tuple[int, int]) -> np.ndarray:
    """The image of this height and width with the prediction over it and what was found outlined, uint8, RGB."""
    shown = overlay_classes(shrunk(image, size), picked(prediction.labels, size), palette, CLASS_OPACITY)
    regions = joined(covered(finding.flags, fitted_size(size, 0, REGION_SIDE)))
    return outline_flags(shown, grown(regions, size), LINE_PART)


@dataclass(frozen=True)
class _Entry:
    text: TextBlock
    colour: Sequence[int] | None


class _Legend:
    """Swatches and their words, in as many columns as fit."""

    def __init__(self, entries: list[_Entry], width: int, size: int) -> None:
        self.entries, self.size = entries, size
        widest = max(max(entry.text.face.getlength(line) for line in entry.text.lines) for entry in entries)
        self.column = min(round(widest + 3 * size), width)
        self.columns = max(width // self.column, 1)
        self.row = max(entry.text.height for entry in entries)

    @property
    def height(self) -> int:
        return -(-len(self.entries) // self.columns) * self.row

    def draw(self, pen: ImageDraw.ImageDraw, left: int, top: int) -> None:
        for index, entry in enumerate(self.entries):
            x, y = left + index % self.columns * self.column, top + index // self.columns * self.row
            box = (x, y + self.size // 6, x + self.size, y + self.size // 6 + self.size)
            if entry.colour is None:
                pen.rectangle(box, outline=(0, 0, 0), width=max(self.size // 4, 2))
                inner = self.size // 10
                pen.rectangle((box[0] + inner, box[1] + inner, box[2] - inner, box[3] - inner), outline=(255, 255, 255),
                              width=max(self.size // 8, 1))
            else:
                pen.rectangle(box, fill=tuple(entry.colour))
            entry.text.draw(pen, x + round(1.5 * self.size), y)


def _legend(prediction: Prediction, classes: Sequence[str], palette: Sequence[Sequence[int]], finding: Finding, width: int,
            size: int) -> _Legend:
    areas = prediction.areas[:len(classes)] / prediction.labels.size
    largest = [int(index) for index in np.argsort(-areas, kind='stable') if areas[index] >= SMALLEST_SHARE][:MOST_CLASSES]
    words = {f'{classes[index]} {percent(areas[index])}': palette[index] for index in largest}
    left_out = int((areas > 0).sum()) - len(largest)
    room = max(width - round(1.5 * size), 1)
    entries = [_Entry(TextBlock(finding.label, room, size), None)]
    entries += [_Entry(TextBlock(text, room, size), colour) for text, colour in words.items()]
    if left_out > 0:
        entries.append(_Entry(TextBlock(f'{left_out} more', room, size, ink=FAINT_INK), (255, 255, 255)))
    return _Legend(entries, width, size)
