"""Pastes what belongs to no class: outlier exposure."""
from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from mmseg_uncertainty.label_values import OUTLIER
from mmseg_uncertainty.runtime.dataset_error import DatasetError
from mmseg_uncertainty.runtime.image_sources import find_images, read_image

NOISE_CELLS = (2, 9)


@TRANSFORMS.register_module()
class PasteOutliers(BaseTransform):
    """Paste objects of random shape and foreign texture, labelled as outliers.

    A detector that is fitted on mistakes alone has never seen an object that the base model does not know. A label that
    is no class makes every prediction on the object a mistake (outlier exposure, Hendrycks et al., ICLR 2019; pasted
    into road scenes as Chan et al., ICCV 2021, do with objects of COCO).

    Texture comes from images of ``source`` with their hues turned, or is noise of random coarseness. Shapes are polygons
    around a random centre below the upper third of the image, where roads are.

    Args:
        source: Folder of images to take texture from; ``None`` takes noise only.
        noise_share: Share of objects with noise, when there are images.
        count: Fewest and most objects.
        size: Smallest and largest diameter in pixels, drawn evenly in its logarithm.
        prob: Share of the images that get objects.
        outlier_label: Label of the objects; neither a class, nor void, nor padding.

    Raises:
        ValueError: An option is out of range.
        DatasetError: ``source`` holds no image.
    """

    def __init__(self,
                 source: str | None = None,
                 noise_share: float = 0.4,
                 count: Sequence[int] = (1, 4),
                 size: Sequence[float] = (8, 140),
                 prob: float = 1.0,
                 outlier_label: int = OUTLIER) -> None:
        if not (0 < count[0] <= count[1] and 3 <= size[0] <= size[1] and 0 <= prob <= 1 and 0 <= noise_share <= 1):
            raise ValueError(f'PasteOutliers: count={tuple(count)} and size={tuple(size)} must be (smallest, largest) from 1 '
                             f'and 3, prob={prob} and noise_share={noise_share} lie in [0, 1].')
        self.source, self.noise_share, self.count, self.size = source, noise_share, count, size
        self.prob, self.outlier_label = prob, outlier_label
        self.images = find_images(source) if source else []

    def transform(self, results: dict) -> dict:
        """Change ``img`` (H, W, 3) and ``gt_seg_map`` (H, W) where the draw says so."""
        if np.random.random() >= self.prob:
            return results
        image, labels = results['img'].copy(), results['gt_seg_map'].copy()
        if image.shape[:2] != labels.shape:
            raise DatasetError(f'PasteOutliers: {results.get("img_path", "the image")} is {image.shape[1]}×{image.shape[0]} at this '
                               f'step of the pipeline, its labels are {labels.shape[1]}×{labels.shape[0]}. Load the labels before '
                               'the image is resized, so that both are.')
        for _ in range(np.random.randint(self.count[0], self.count[1] + 1)):
            inside = random_shape(labels.shape, np.exp(np.random.uniform(*np.log(self.size))))
            image[inside] = self._texture(labels.shape)[inside]
            labels[inside] = self.outlier_label
        return results | dict(img=image, gt_seg_map=labels)

    def _texture(self, size: tuple[int, int]) -> np.ndarray:
        height, width = size
        if not self.images or np.random.random() < self.noise_share:
            cells = np.random.randint(0, 256, (*np.random.randint(*NOISE_CELLS, 2), 3), np.uint8)
            smooth = (cv2.INTER_NEAREST, cv2.INTER_LINEAR)[np.random.randint(2)]
            return cv2.resize(cells, (width, height), interpolation=smooth)
        picture = cv2.resize(read_image(self.images[np.random.randint(len(self.images))]), (width, height))
        hsv = cv2.cvtColor(picture, cv2.COLOR_BGR2HSV)
        hsv[..., 0] = (hsv[..., 0].astype(int) + np.random.randint(180)) % 180
        return np.roll(cv2.cvtColor(hsv, cv2.COLOR_HSV2BGR), np.random.randint(width), axis=1)

    def __repr__(self) -> str:
        return (f'{type(self).__name__}(source={self.source!r}, noise_share={self.noise_share}, count={tuple(self.count)}, '
                f'size={tuple(self.size)}, prob={self.prob}, outlier_label={self.outlier_label})')


def random_shape(size: tuple[int, int], diameter: float) -> np.ndarray:
    """A polygon at a random place below the upper third of an image.

    Args:
        size: Height and width of the image in pixels.
        diameter: About how large the polygon is, in pixels.

    Returns:
        Whether a pixel lies inside, shape (H, W).
    """
    corners = np.random.randint(5, 12)
    angles = np.sort(np.random.uniform(0, 2 * np.pi, corners))
    radii = np.random.uniform(.4, 1, corners) * diameter / 2
    stretch = np.random.uniform(.6, 1.6)
    centre = np.random.uniform((0, size[0] / 3), (size[1], size[0]))
    outline = centre + np.stack([stretch * radii * np.cos(angles), radii * np.sin(angles)], axis=1)
    inside = np.zeros(size, np.uint8)
    cv2.fillPoly(inside, [np.rint(outline).astype(np.int32)], 1)
    return inside.astype(bool)
