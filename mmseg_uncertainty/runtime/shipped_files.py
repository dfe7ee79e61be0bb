"""Where the configs and models are that come with the package, in a clone and in an installed wheel."""
from __future__ import annotations

from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1]
INDEX = 'model-index.yml'
DATASETS = '_base_/datasets'


def configs_folder() -> Path:
    """Folder of the shipped configs: ``local_configs`` of a clone, ``.mim/configs`` of a wheel, where mmengine looks too."""
    clone = PACKAGE.parent / 'local_configs'
    return clone if (PACKAGE.parent / INDEX).is_file() and clone.is_dir() else PACKAGE / '.mim/configs'


def models_folder() -> Path:
    """Folder that holds ``model-index.yml`` and what it names."""
    return PACKAGE.parent if (PACKAGE.parent / INDEX).is_file() else PACKAGE / '.mim'


def dataset_configs() -> dict[str, Path]:
    """Configs of the datasets that can be named, by name."""
    return {path.stem: path for path in sorted((configs_folder() / DATASETS).glob('*.py'))}
