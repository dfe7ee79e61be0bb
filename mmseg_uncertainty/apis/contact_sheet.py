"""Many images on one page, each beside what is uncertain in it."""
from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from tqdm.auto import tqdm

from mmseg_uncertainty.runtime.image_sources import read_image
from mmseg_uncertainty.runtime.output_files import whole_file
from mmseg_uncertainty.runtime.overlays import outline_flags, overlay_scores
from mmseg_uncertainty.visualization.uncertainty_figure import prediction_of

from .image_ranking import RankedImage
from .image_statistics import SET_SIZE
from .uncertainty_inferencer import UncertaintyInferencer

COLUMNS, PER_SHEET, GAP, CAPTION = 3, 60, 12, 24
WIDTH, HEIGHT = 260, 195


def write_contact_sheets(folder: Path, chosen: Sequence[RankedImage], inferencer: UncertaintyInferencer,
                         statistic: str) -> list[Path]:
    """Write pages of images, each beside its map of the statistic, on one scale for all.

    Args:
        folder: Where to write ``contact_sheet_1.jpg`` and so on.
        chosen: The images, in their order.
        inferencer: Predicts them once more.
        statistic: Name of a head, of a decision, or ``'set_size'``.

    Returns:
        Paths of the pages.
    """
    pairs = [_pair(image, inferencer, statistic) for image in tqdm(chosen, desc='contact sheet')]
    maps = [values for _, values in pairs]
    limits = _limits(maps, inferencer, statistic)
    tiles = [_tile(place, image, *pair, limits) for place, (image, pair) in enumerate(zip(chosen, pairs), start=1)]
    paths = []
    for start in range(0, len(tiles), PER_SHEET):
        paths.append(folder / f'contact_sheet_{start // PER_SHEET + 1}.jpg')
        with whole_file(paths[-1]) as partial:
            page = _page(tiles[start:start + PER_SHEET], _title(statistic, limits, inferencer))
            page.save(partial, format='JPEG', quality=88)
    return paths


def _pair(image: RankedImage, inferencer: UncertaintyInferencer, statistic: str) -> tuple[np.ndarray, np.ndarray]:
    """A small image and its small map; of flags which pixels are flagged."""
    picture = read_image(image.source)
    prediction = prediction_of(inferencer(picture, return_datasamples=True)['predictions'][0])
    if statistic == SET_SIZE:
        values = prediction.set_size.astype(np.float32)
    else:
        values = prediction.uncertainty.get(statistic, prediction.flags.get(statistic))
    scale = min(WIDTH / picture.shape[1], HEIGHT / picture.shape[0])
    size = tuple(max(1, round(side * scale)) for side in picture.shape[1::-1])
    small = Image.fromarray(np.ascontiguousarray(picture[..., ::-1])).resize(size, Image.Resampling.BOX)
    kept = Image.fromarray(values.astype(np.float32)).resize(size, Image.Resampling.BOX)
    return np.array(small), np.array(kept) >= 0.5 if values.dtype == bool else np.array(kept)


def _limits(maps: Sequence[np.ndarray], inferencer: UncertaintyInferencer, statistic: str) -> tuple[float, float] | None:
    """Ends of the scale, ``None`` for flags."""
    if not maps or maps[0].dtype == bool:
        return None
    if statistic == SET_SIZE:
        return 1., float(len(inferencer.classes))
    known = inferencer.scales[statistic].shown
    return known or tuple(float(end) for end in np.percentile(np.concatenate([values.ravel() for values in maps]), (1, 99)))


def _title(statistic: str, limits: tuple[float, float] | None, inferencer: UncertaintyInferencer) -> str:
    if limits is None:
        return f'{statistic}: flagged pixels are outlined'
    units = 'classes' if statistic == SET_SIZE else inferencer.scales[statistic].units
    return f'{statistic}, brighter is more uncertain: dark {limits[0]:.3g}, bright {limits[1]:.3g} {units} in all images'


def _tile(place: int, image: RankedImage, picture: np.ndarray, values: np.ndarray,
          limits: tuple[float, float] | None) -> Image.Image:
    drawn = outline_flags(picture, values) if limits is None else overlay_scores(picture, values, limits, opacity=0.8)
    tile = Image.new('RGB', (2 * WIDTH, HEIGHT + CAPTION), 'white')
    for left, part in ((0, picture), (WIDTH, drawn)):
        tile.paste(Image.fromarray(part), (left + (WIDTH - part.shape[1]) // 2, (HEIGHT - part.shape[0]) // 2))
    words = f'{place}.  {image.number:.4g}  {Path(image.source.name).name}'
    ImageDraw.Draw(tile).text((4, HEIGHT + 4), _fitted(words, 2 * WIDTH - 8), 'black', _font())
    return tile


def _page(tiles: Sequence[Image.Image], title: str) -> Image.Image:
    width, height = 2 * WIDTH + GAP, HEIGHT + CAPTION + GAP
    columns = min(COLUMNS, len(tiles))
    rows = -(-len(tiles) // columns)
    page = Image.new('RGB', (max(columns * width, 2 * width) + GAP, rows * height + 3 * GAP + CAPTION), 'white')
    ImageDraw.Draw(page).text((GAP, GAP), _fitted(title, page.width - 2 * GAP), 'black', _font())
    for index, tile in enumerate(tiles):
        page.paste(tile, (GAP + index % columns * width, 2 * GAP + CAPTION + index // columns * height))
    return page


def _fitted(words: str, width: int) -> str:
    while _font().getlength(words) > width:
        words = f'{words[:-2]}…'
    return words


def _font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    return ImageFont.load_default(15)
