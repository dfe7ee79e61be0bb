"""Tell whether images that fitted a model come back in its test."""
from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch.utils.data import Dataset

PART = '#'


class SceneOverlapError(ValueError):
    """Images or scenes of the calibration set are tested on; the message names them and says what to do."""


def dataset_contents(dataset: Dataset) -> dict:
    """What a dataset shows, in plain values.

    Args:
        dataset: A dataset of mmengine, or a wrapper of some of one family. Samples may name their ``scene``; a part of it
            that stands alone is named ``SCENE#PART``.

    Returns:
        ``family`` of the data, ``images`` (paths below the root of the data) and ``scenes``, both sorted.
    """
    samples = [dataset.get_data_info(index) for index in range(len(dataset))]
    root, first = data_root(dataset), innermost(dataset)
    scenes = {sample.get('scene', sample.get('sequence')) for sample in samples} - {None}
    family = getattr(first, 'family', None) or str(first.metainfo.get('dataset_name', root.name)).lower()
    return dict(
        family=family,
        images=sorted(name_below(root, sample['img_path']) for sample in samples),
        scenes=sorted(map(str, scenes)))


def refuse_overlap(fitted: Mapping, tested: Mapping, checkpoint: str) -> None:
    """Refuse a test on what a model was fitted on.

    Args:
        fitted: :func:`dataset_contents` of the calibration set.
        tested: :func:`dataset_contents` of the test set.
        checkpoint: File that was fitted, for the message.

    Raises:
        SceneOverlapError: Both hold an image or a scene of one family of data.
    """
    if fitted['family'] != tested['family']:
        return
    images = sorted(set(fitted['images']) & set(tested['images']))
    scenes = shared_scenes(fitted['scenes'], tested['scenes'])
    if not images and not scenes:
        return
    kind, found = ('images', images) if images else ('scenes', scenes)
    more = f' and {len(found) - 3} more' if len(found) > 3 else ''
    raise SceneOverlapError(
        f'{checkpoint} was calibrated on {len(fitted["images"])} images of {fitted["family"]}, and {len(found)} of their {kind} '
        f'are to be tested on: {", ".join(found[:3])}{more}. Numbers would be too good. Test on other scenes, or, to see the '
        'fit itself, pass --allow-overlap.')


def shared_scenes(fitted: list[str], tested: list[str]) -> list[str]:
    """Scenes that both show; a whole scene shares with each of its parts, and two parts only if they are the same."""
    exact, wholes = set(tested), {name.split(PART)[0] for name in fitted if PART not in name}
    partly = {name.split(PART)[0] for name in fitted if PART in name}
    shared = {name for name in fitted if name in exact}
    shared |= {name for name in exact if name.split(PART)[0] in wholes or (PART not in name and name in partly)}
    return sorted(shared)


def innermost(dataset: Dataset) -> Dataset:
    """The dataset that wrappers of mmengine wrap, the first if they are several, or a dataset that wraps none."""
    while not hasattr(dataset, 'data_root'):
        wrapped = getattr(dataset, 'dataset', None) or next(iter(getattr(dataset, 'datasets', ())), None)
        if wrapped is None:
            break
        dataset = wrapped
    return dataset


def data_root(dataset: Dataset) -> Path:
    """Folder below which the images of a dataset are named; empty where it has none."""
    return Path(getattr(innermost(dataset), 'data_root', None) or '')


def name_below(root: Path, path: str | Path) -> str:
    """Name of an image that does not tell where the data lie: its path below their root, if it is below."""
    path = Path(str(path))
    return str(path.relative_to(root)) if root.parts and path.is_relative_to(root) else str(path)
