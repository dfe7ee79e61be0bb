"""Models that go by a name."""
from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import yaml

from mmseg_uncertainty.runtime.near_names import did_you_mean
from mmseg_uncertainty.runtime.shipped_files import INDEX, configs_folder, models_folder

from .config_files import find_config, is_config


@dataclass(frozen=True)
class IndexedModel:
    """A shipped model.

    Args:
        name: Its name.
        config: Path of its config.
        weights: Path of its checkpoint.
    """

    name: str
    config: Path
    weights: Path


@lru_cache
def indexed_models() -> dict[str, IndexedModel]:
    """All models of ``model-index.yml`` by name."""
    root = models_folder()
    if not (root / INDEX).is_file():
        return {}
    files = yaml.safe_load((root / INDEX).read_text(encoding='utf-8'))['Import']
    entries = [entry for file in files for entry in yaml.safe_load((root / file).read_text(encoding='utf-8'))['Models']]
    return {entry['Name']: IndexedModel(
        entry['Name'], configs_folder() / Path(entry['Config']).relative_to('local_configs'), root / entry['Weights'])
            for entry in entries}


def find_model(name: str) -> IndexedModel:
    """Look up a model.

    Raises:
        ValueError: No model has this name.
    """
    models = indexed_models()
    if name in models:
        return models[name]
    raise ValueError(f'{name} is neither a config file nor the name of a model.{did_you_mean(name, models)} Named models: '
                     f'{", ".join(sorted(models)) or "none"}. For another model give the path of its config and its '
                     'checkpoint.')


def resolve_model(model: str | Path, weights: str | Path | None) -> tuple[Path, Path | None]:
    """Config and checkpoint of a name, or of a config and a checkpoint.

    Args:
        model: Path of a config, or a name.
        weights: Checkpoint; ``None`` takes that of the named model. A config may name the weights of its base model.

    Raises:
        ValueError: There is no such model.
    """
    if is_config(model):
        return find_config(model), None if weights is None else Path(weights)
    found = find_model(str(model))
    return found.config, Path(weights) if weights is not None else found.weights
