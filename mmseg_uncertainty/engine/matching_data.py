"""Tells whether a model and its data fit together, before anything is computed."""
from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from mmengine.logging import print_log
from torch import nn


class ClassMismatchError(ValueError):
    """A model and a dataset have other classes; the message names both and says what to do."""


class BatchError(ValueError):
    """A batch cannot be passed to a model; the message says why and what to do."""


def check_classes(model: nn.Module, metainfo: Mapping, dataset: str, names: Sequence[str] = ()) -> None:
    """Compare the classes of a model and its heads with those of a dataset.

    Where both know names, one that stands at another index is refused, since indices would mean different classes; other
    names are only warned of, since the same class goes by several.

    Args:
        model: A segmentor; one without ``num_classes`` passes.
        metainfo: Of the dataset; without ``classes``, or with another ``label_kind`` than ``'classes'``, it passes.
        dataset: What messages call the dataset.
        names: Names of the classes that the model was trained with, where they are known.

    Raises:
        ClassMismatchError: The numbers differ, or names stand at other indices.
    """
    count = getattr(model, 'num_classes', None)
    if count is None:
        return
    for name, part in _parts(model):
        if getattr(part, 'num_classes', count) != count:
            raise ClassMismatchError(f'{name} is made for {part.num_classes} classes, and its {type(model).__name__} has '
                                     f'{count}. Leave num_classes out of the config of {name}, or set it to {count}.')
    classes, groups = metainfo.get('classes') or (), metainfo.get('class_groups')
    if not classes or metainfo.get('label_kind', 'classes') != 'classes':
        return
    found = len(classes) if groups is None else len(groups)
    if found != count:
        what = f'{found} classes ({_short(classes)})' if groups is None else f'groups of {found} classes'
        raise ClassMismatchError(f'the model has {count} classes{_named(names)}, and {dataset} has {what}. Indices would '
                                 f'mean different classes. Choose a dataset with the classes of the model, translate its '
                                 'labels (label_map), or use the model that was trained on it.')
    if groups is None and len(names) == count:
        _check_names([str(name) for name in names], [str(name) for name in classes], dataset)


def check_batch(model: nn.Module, batch: Mapping, training: bool = False) -> None:
    """Check that a batch is packed, and that its images can be stacked.

    Args:
        model: A model with a ``data_preprocessor``, which pads while training.
        batch: ``inputs``, images of shape (3, H, W), and their ``data_samples``.
        training: Whether parameters are trained on the batch.

    Raises:
        BatchError: They cannot.
    """
    if not isinstance(batch, Mapping) or not {'inputs', 'data_samples'} <= set(batch):
        found = ', '.join(map(str, batch)) if isinstance(batch, Mapping) else type(batch).__name__
        raise BatchError(f'The pipeline gives {found}, expected inputs and data_samples. End the pipeline of the dataset with '
                         'dict(type="PackSegInputs").')
    inputs, samples = batch['inputs'], batch['data_samples']
    least = getattr(getattr(model, 'data_preprocessor', None), 'size', None) if training else None
    if training and least is None:
        return
    sizes = [tuple(image.shape[-2:]) for image in inputs]
    padded = [tuple(max(side, wanted) for side, wanted in zip(size, least or size)) for size in sizes]
    other = next((index for index, size in enumerate(padded) if size != padded[0]), None)
    if other is None:
        return
    first, second = (f'{samples[index].metainfo.get("img_path", f"image {index}")} has {sizes[index][1]}×{sizes[index][0]}'
                     for index in (0, other))
    raise BatchError(f'A batch holds images of several sizes: {first} pixels, {second}. Set batch_size=1 in the dataloader, '
                     'or bring all images to one size in the pipeline (Resize with keep_ratio=False, or RandomCrop while '
                     'training).')


def _parts(model: nn.Module):
    heads = getattr(model, 'uncertainty_heads', None) or {}
    yield from ((f'uncertainty head {name}', head) for name, head in heads.items())
    yield from ((name, part) for name in ('calibrator', 'set_head') if (part := getattr(model, name, None)) is not None)


def _check_names(known: list[str], found: list[str], dataset: str) -> None:
    for index, name in enumerate(found):
        places = [place for place, other in enumerate(known) if _plain(other) == _plain(name)]
        if len(places) == 1 and places[0] != index:
            raise ClassMismatchError(f'{name!r} is class {places[0]} of the model ({_short(known)}) and class {index} of '
                                     f'{dataset} ({_short(found)}). Bring the classes of the dataset into the order '
                                     'of the model.')
    renamed = [f'{old} / {new}' for old, new in zip(known, found) if _plain(old) != _plain(new)]
    if renamed:
        print_log(f'{len(renamed)} of {len(known)} classes have another name in the model than in {dataset}: '
                  f'{_short(renamed)}. They are taken for the same.', 'current', logging.WARNING)


def _plain(name: str) -> str:
    return name.lower().replace('_', ' ').replace('-', ' ').strip()


def _named(names: Sequence[str]) -> str:
    return f' ({_short(names)})' if names else ''


def _short(names: Sequence[str], most: int = 8) -> str:
    return ', '.join(map(str, names[:most])) + (', …' if len(names) > most else '')
