"""What of a test pipeline an exported file can repeat."""
from __future__ import annotations

from collections.abc import Mapping

from mmseg.registry import TRANSFORMS

from mmseg_uncertainty.runtime.resizing import INTERPOLATIONS

from .config_files import type_name
from .run_config import test_pipeline
from .uncertainty_inferencer import LOADING

NOTHING_TO_DO = (*LOADING, 'PackSegInputs')


def resize_steps(config: Mapping) -> list[dict]:
    """Resizing steps of a test pipeline, as :class:`~mmseg_uncertainty.runtime.resizing.Resizing` takes them.

    Args:
        config: Config of a run; one without test pipeline has no steps.

    Raises:
        ValueError: A step does something else to images, or resizes in a way that the runtime does not know.
    """
    steps = []
    for config_of_step in test_pipeline(config) or ():
        name = type_name(config_of_step['type'])
        if name in NOTHING_TO_DO:
            continue
        if name not in READERS:
            raise ValueError(f'The test pipeline has the step {name}, which an exported file cannot repeat; its predictions '
                             f'would be others. Expected only loading, {", ".join(READERS)} and PackSegInputs. Take the '
                             'step out of the test pipeline, or predict with the config and the checkpoint.')
        step = READERS[name](TRANSFORMS.build(dict(config_of_step)))
        if step['interpolation'] not in INTERPOLATIONS.get(step['backend'], ()):
            raise ValueError(f'The step {name} of the test pipeline resizes with backend={step["backend"]!r} and '
                             f'interpolation={step["interpolation"]!r}, which an exported file cannot repeat; choose '
                             "backend='cv2' and interpolation='bilinear'.")
        steps.append(step)
    return steps


def _resize(transform) -> dict:
    options = dict(keep_ratio=bool(transform.keep_ratio), interpolation=transform.interpolation, backend=transform.backend)
    if transform.scale:
        return dict(kind='scale', scale=list(transform.scale), **options)
    return dict(kind='factor', factors=list(transform.scale_factor), **options)


def _shortest_edge(transform) -> dict:
    edge = transform.scale if isinstance(transform.scale, int) else min(transform.scale)
    return dict(kind='shortest_edge', edge=edge, max_size=transform.max_size, interpolation=transform.resize.interpolation,
                backend=transform.resize.backend)


def _multiple(transform) -> dict:
    return dict(kind='multiple', divisor=transform.size_divisor, interpolation=transform.interpolation or 'bilinear',
                backend='cv2')


READERS = dict(Resize=_resize, ResizeShortestEdge=_shortest_edge, ResizeToMultiple=_multiple)
