"""Labels stored as colours that number instances in a list of names."""
from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

MISSING = 0x0D0D0D
"""Colour (13, 13, 13) of pixels without an annotation."""


class ClassTable(NamedTuple):
    """Classes of numbered instances.

    Args:
        classes: Class names in alphabetical order; a class is its position.
        of_instance: Class of every instance, shape (instances,), uint8.
        unknown: Class of pixels without a known instance.
    """

    classes: tuple[str, ...]
    of_instance: np.ndarray
    unknown: int


def class_table(instance_names: Sequence[str],
                classes: Sequence[str] | None = None,
                unknown: str = '<UNK>') -> ClassTable:
    """Sort instances into classes; the class of an instance is its name up to the first underscore.

    Args:
        instance_names: Name of every instance, such as ``'chair_12_office_3_4'``.
        classes: Known classes; by default those that occur, together with ``unknown``.
        unknown: Class of pixels without a known instance.

    Raises:
        ValueError: An instance is of none of the known ``classes``, or there are more than 255.

    Examples:
        >>> table = class_table(['chair_1_office', 'wall_2_office'])
        >>> table.classes, table.of_instance.tolist()
        (('<UNK>', 'chair', 'wall'), [1, 2])
    """
    own = [name.split('_', 1)[0] for name in instance_names]
    known = tuple(sorted({*own, unknown} if classes is None else {*classes, unknown}))
    numbers = {name: number for number, name in enumerate(known)}
    strange = sorted(set(own) - set(known))
    if strange or len(known) > 255:
        raise ValueError(f'instance names hold the classes {strange[:5]}, expected only {list(known)}.' if strange else
                         f'instance names hold {len(known)} classes, expected at most 255.')
    return ClassTable(known, np.array([numbers[name] for name in own], np.uint8), numbers[unknown])


def instance_numbers(colors: np.ndarray) -> np.ndarray:
    r"""Numbers :math:`65536 R + 256 G + B` that colours stand for.

    Args:
        colors: Shape (\*, 3), uint8, RGB.

    Returns:
        Shape (\*), int32, in [0, 2²⁴).

    Examples:
        >>> instance_numbers(np.array([[0, 1, 2]], np.uint8)).tolist()  # 256 + 2
        [258]
    """
    # uint8 times 65536 overflows since numpy 2, where a Python integer no longer widens an array.
    red, green, blue = np.moveaxis(np.asarray(colors), -1, 0).astype(np.int32)
    return (red << 16) + (green << 8) + blue


def decode_colors(colors: np.ndarray, table: ClassTable) -> tuple[np.ndarray, int]:
    r"""Class of every pixel.

    Args:
        colors: Shape (\*, 3), uint8, RGB.
        table: Classes of the instances.

    Returns:
        Classes, shape (\*), uint8, ``table.unknown`` where the colour is :data:`MISSING` or beyond the list; and the number
        of pixels beyond the list that are not missing.

    Examples:
        >>> table = class_table(['chair_1_office', 'wall_2_office'])
        >>> labels, beyond = decode_colors(np.array([[0, 0, 1], [13, 13, 13]], np.uint8), table)
        >>> [table.classes[label] for label in labels], beyond
        (['wall', '<UNK>'], 0)
    """
    numbers = instance_numbers(colors)
    beyond = numbers >= len(table.of_instance)
    lookup = np.append(table.of_instance, np.uint8(table.unknown))
    labels = lookup[np.minimum(numbers, len(table.of_instance))]
    return labels, int((beyond & (numbers != MISSING)).sum())
