"""Regions of flagged pixels as annotations in the format of COCO, which labelling tools read."""
from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import cv2
import numpy as np

from .findings import Finding

SMALLEST_SHARE, MOST_REGIONS = 1e-4, 100


def regions_of(finding: Finding, scores: np.ndarray) -> list[dict]:
    """Connected regions of flagged pixels, largest first: at least a ten-thousandth of the image, and 100 at most.

    Args:
        finding: What is flagged.
        scores: Uncertainty, shape (H, W).

    Returns:
        ``category``, ``bbox`` (x, y, width, height), ``area`` in pixels, ``score`` (mean uncertainty) and ``segmentation``, the run
        lengths of COCO over the pixels column by column, starting with pixels outside.
    """
    count, parts, boxes, _ = cv2.connectedComponentsWithStats(finding.flags.astype(np.uint8), connectivity=8)
    areas = boxes[:, cv2.CC_STAT_AREA]
    kept = [index for index in np.argsort(-areas[1:], kind='stable') + 1
            if areas[index] >= SMALLEST_SHARE * finding.flags.size][:MOST_REGIONS] if count > 1 else []
    found = []
    for index in kept:
        left, top, width, height = (int(value) for value in boxes[index][:4])
        window = (slice(top, top + height), slice(left, left + width))
        inside = parts[window] == index
        counts = _run_lengths(inside, left, top, finding.flags.shape)
        found.append(dict(category=finding.name, bbox=[left, top, width, height], area=int(areas[index]),
                          score=float(scores[window][inside].mean(dtype=np.float64)),
                          segmentation=dict(size=list(finding.flags.shape), counts=counts)))
    return found


def coco_dataset(images: Sequence[Mapping]) -> dict:
    """One COCO file of the regions of many images, named relative to the folder that holds all of them, as readers expect.

    Args:
        images: ``image``, ``height``, ``width`` and ``regions`` of each.

    Returns:
        Plain values; ``info`` has the ``folder``.
    """
    paths = [Path(str(image['image'])).absolute() for image in images]
    folder = Path(os.path.commonpath([path.parent for path in paths])) if paths else Path.cwd()
    names = sorted({region['category'] for image in images for region in image['regions']})
    numbers = {name: index for index, name in enumerate(names, 1)}
    entries, annotations = [], []
    for index, (image, path) in enumerate(zip(images, paths), 1):
        entries.append(dict(id=index, file_name=path.relative_to(folder).as_posix(), height=image['height'], width=image['width']))
        for region in image['regions']:
            values = {key: value for key, value in region.items() if key != 'category'}
            annotations.append(dict(id=len(annotations) + 1, image_id=index, category_id=numbers[region['category']], iscrowd=0,
                                    **values))
    categories = [dict(id=number, name=name, supercategory='flagged') for name, number in numbers.items()]
    info = dict(description='Regions of pixels flagged as uncertain', folder=str(folder))
    return dict(info=info, images=entries, categories=categories, annotations=annotations)


def _run_lengths(inside: np.ndarray, left: int, top: int, size: tuple[int, int]) -> list[int]:
    columns, rows = np.nonzero(inside.T)
    places = (columns + left) * size[0] + rows + top
    breaks = np.flatnonzero(np.diff(places) > 1)
    starts, ends = places[np.r_[0, breaks + 1]], places[np.r_[breaks, len(places) - 1]] + 1
    borders = np.stack([starts, ends], axis=1).reshape(-1)
    return np.diff(np.r_[0, borders, size[0] * size[1]]).tolist()
