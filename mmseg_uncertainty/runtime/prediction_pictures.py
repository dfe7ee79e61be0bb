"""What can be drawn of a prediction, each on its own."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from .overlays import outline_flags, overlay_classes, overlay_scores
from .prediction import Prediction


def prediction_pictures(image: np.ndarray,
                        prediction: Prediction,
                        classes: Sequence[str],
                        palette: Sequence[Sequence[int]],
                        limits: Mapping[str, tuple[float, float] | None]) -> dict[str, Callable[[], np.ndarray]]:
    """What can be drawn of a prediction, by name; nothing is drawn before it is called.

    Args:
        image: Shape (H, W, 3), uint8, RGB.
        prediction: Result for the image.
        classes: Names of the classes.
        palette: Their colours, RGB from 0 to 255.
        limits: Ends of the colour scale of each head; ``None`` for those of :func:`overlay_scores`.

    Returns:
        Pictures of the size of the image, uint8, RGB; ``labels`` has one channel of class indices, uint8 or uint16.
    """
    pictures = dict(labels=partial(label_map, prediction, classes),
                    prediction=partial(overlay_classes, image, prediction.labels, palette))
    pictures |= {head: partial(overlay_scores, image, prediction.uncertainty[head], ends) for head, ends in limits.items()}
    if prediction.set_size is not None:
        pictures['set_size'] = partial(overlay_scores, image, prediction.set_size, (1, len(classes)))
    return pictures | {f'flags_{name}': partial(outline_flags, image, flags) for name, flags in prediction.flags.items()}


def label_map(prediction: Prediction, classes: Sequence[str]) -> np.ndarray:
    """Class indices, shape (H, W), in the smallest unsigned type that has all of them."""
    return prediction.labels.astype(np.uint8 if len(classes) <= 256 else np.uint16)
