"""Maps of a prediction by name, and on disk: compressed, in as many bits as asked for."""
from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from .output_files import whole_file
from .prediction import Prediction
from .score_scale import ScoreScale

STEPS = 65535


def prediction_maps(prediction: Prediction, scales: Mapping[str, ScoreScale]) -> dict[str, np.ndarray]:
    """Scores of the heads, and sets and flags where there are any, by name."""
    maps = {head: prediction.uncertainty[head] for head in scales}
    if prediction.set_size is not None:
        maps['set_size'] = prediction.set_size.astype(np.uint16)
    if prediction.set_membership is not None:
        maps['set_membership'] = prediction.set_membership
    return maps | {f'flags_{decision}': flags for decision, flags in prediction.flags.items()}


def units_text(scales: Mapping[str, ScoreScale]) -> str:
    """Units of the maps of the heads, as JSON."""
    return json.dumps({head: f'{scale.units}; higher is more uncertain' for head, scale in scales.items()})


def save_maps(path: Path, prediction: Prediction, scales: Mapping[str, ScoreScale], map_type: str) -> None:
    """Write the maps of all heads, prediction sets and flags into one compressed ``.npz``.

    Args:
        path: File to write.
        prediction: Result for the image.
        scales: Scale of each head.
        map_type: ``'float16'`` keeps 11 bits of every number, ``'uint16'`` 65,536 steps from the smallest to the largest of the map,
            ``'float32'`` all.

    Raises:
        OutputError: The file cannot be written.
    """
    maps, steps = prediction_maps(prediction, scales), {}
    for head in scales:
        maps[head], steps[head] = _packed(maps[head], map_type)
    with whole_file(path) as partial, partial.open('wb') as file:
        np.savez_compressed(file, **maps, units=units_text(scales), steps=json.dumps(steps))


def load_maps(path: str | Path) -> dict[str, np.ndarray]:
    """Maps by name; those of heads as float32 in the units of the score, however they were kept."""
    with np.load(path) as file:
        steps = json.loads(str(file['steps']))
        return {name: _unpacked(file[name], steps[name]) if name in steps else file[name] for name in file.files
                if name not in ('units', 'steps')}


def _packed(values: np.ndarray, map_type: str) -> tuple[np.ndarray, list[float] | None]:
    if map_type != 'uint16':
        # What exceeds the range of half precision stays the largest number that it has.
        limit = np.finfo(map_type).max
        return np.clip(values, -limit, limit).astype(map_type), None
    low, high = float(values.min()), float(values.max())
    width = max(high - low, float(np.finfo(np.float32).tiny))
    return np.rint((values - np.float32(low)) / np.float32(width) * STEPS).astype(np.uint16), [low, width / STEPS]


def _unpacked(values: np.ndarray, steps: list[float] | None) -> np.ndarray:
    values = values.astype(np.float32)
    return values if steps is None else np.float32(steps[0]) + values * np.float32(steps[1])
