"""What goes back to a client: a prediction as JSON, as a picture or as arrays."""
from __future__ import annotations

import base64
import io
import json
from collections.abc import Mapping, Sequence

import numpy as np
from PIL import Image

from mmseg_uncertainty.runtime.json_files import plain_values
from mmseg_uncertainty.runtime.map_files import prediction_maps, units_text
from mmseg_uncertainty.runtime.near_names import did_you_mean
from mmseg_uncertainty.runtime.prediction import Prediction
from mmseg_uncertainty.runtime.prediction_pictures import label_map, prediction_pictures

from .served_model import ServedModel

ALL = 'all'


class UnknownMap(ValueError):
    """A request asks for a map that the model does not have."""


def as_json(model: ServedModel, prediction: Prediction, include: Sequence[str]) -> bytes:
    """The summary, and under ``maps`` the arrays asked for: type, shape, and base64 of little-endian rows.

    Raises:
        UnknownMap: The prediction has no map of a name.
    """
    maps = _maps(model, prediction)
    chosen = maps if ALL in include else {name: _named(maps, name) for name in include}
    encoded = {name: dict(dtype=values.dtype.str, shape=values.shape, data=base64.b64encode(values.tobytes()).decode())
               for name, values in chosen.items()}
    answer = dict(model.summarize(prediction), **({'maps': encoded} if include else {}))
    return json.dumps(plain_values(answer)).encode()


def as_png(model: ServedModel, prediction: Prediction, image: np.ndarray, name: str) -> bytes:
    """A picture of the size of the image; see :func:`~mmseg_uncertainty.runtime.prediction_pictures.prediction_pictures`.

    Args:
        model: What predicted.
        prediction: Its result.
        image: Shape (H, W, 3), uint8, BGR.
        name: Which picture.

    Raises:
        UnknownMap: There is no picture of this name.
    """
    rgb = np.ascontiguousarray(image[..., ::-1])
    limits = {head: scale.shown for head, scale in model.scales.items()}
    picture = _named(prediction_pictures(rgb, prediction, model.classes, model.palette, limits), name)()
    file = io.BytesIO()
    Image.fromarray(picture).save(file, 'PNG', compress_level=1)
    return file.getvalue()


def as_npz(model: ServedModel, prediction: Prediction) -> bytes:
    """Every map and ``labels``, with ``units`` and the summary as JSON; not compressed, which takes as long as the model."""
    file = io.BytesIO()
    np.savez(file, **_maps(model, prediction), units=units_text(model.scales), summary=as_json(model, prediction, ()).decode())
    return file.getvalue()


def _maps(model: ServedModel, prediction: Prediction) -> dict[str, np.ndarray]:
    maps = dict(labels=label_map(prediction, model.classes), **prediction_maps(prediction, model.scales))
    return {name: np.ascontiguousarray(values, values.dtype.newbyteorder('<')) for name, values in maps.items()}


def _named(choices: Mapping, name: str):
    if name not in choices:
        raise UnknownMap(f'{name!r} is none of the maps of this model.{did_you_mean(name, choices)} It has '
                         f'{", ".join(choices)}.')
    return choices[name]
