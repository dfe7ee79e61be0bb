"""Fits calibrators, heads and sets by streaming the images through the frozen network, one pass per stage."""
from __future__ import annotations

from collections.abc import Iterable, Iterator

from mmengine.logging import print_log
from torch import Tensor

from mmseg_uncertainty.models import PosthocSegmentor
from mmseg_uncertainty.models.fittable import (Fittable, fit_stage, fit_target, fittables_in_order, heads_read,
                                               passes_in_order, target_readers)
from mmseg_uncertainty.structures import FrozenOutputs

from .batches import bare_images, labelled_input, network_input, same_shapes
from .calibration_images import WHOLE, CalibrationImages


def fitted_by_statistics(posthoc: PosthocSegmentor) -> tuple[dict[str, Fittable], dict[str, Fittable]]:
    """Calibrators, and what reads their logits and is fitted after them, by name; without those that need no image."""
    calibrators, others = ({name: module for name, module in group.items() if module.stages}
                           for group in fittables_in_order(posthoc))
    return calibrators, others


def parts_of_images(posthoc: PosthocSegmentor, images: CalibrationImages,
                    calibrator_share: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """Which images fit calibrators, and which what is fitted after them.

    Prediction sets and decisions promise something of further images, so none of their images may have fitted the calibrator
    or the scores that they read. Where nothing is promised all images fit everything.

    Raises:
        ValueError: The share is not in (0, 1), or leaves no image for one of the two.
    """
    calibrators, others = fitted_by_statistics(posthoc)
    if not (calibrators or decided(posthoc)) or not any(module.promises for module in others.values()):
        return WHOLE, WHOLE
    if not 0 < calibrator_share < 1:
        raise ValueError(f'calibrator_share={calibrator_share} must lie strictly between 0 and 1: what promises something shares '
                         'no image with the calibrator and the scores that it reads.')
    parts = (0.0, calibrator_share), (calibrator_share, 1.0)
    counts = [images.count(part) for part in parts]
    if not all(counts):
        raise ValueError(f'calibrator_share={calibrator_share} of {len(images)} images leaves {counts[0]} for what '
                         f'a promise reads and {counts[1]} for what promises something; fit on more images, or choose another '
                         'share.')
    by = 'content, since the loader shuffles' if images.shuffles else 'index'
    print_log(f'{len(images)} images are divided by {by}: {counts[0]} fit what a promise reads, {counts[1]} what '
              'promises something.',
              'current')
    return parts


def decided(posthoc: PosthocSegmentor) -> list[str]:
    """Heads that learn by gradient and that something reads which promises something."""
    names = {name for module in fitted_by_statistics(posthoc)[1].values() if module.promises for name in heads_read(posthoc, module)}
    return sorted(name for name in names if hasattr(posthoc.uncertainty_heads[name], 'loss'))


def fit_statistics(posthoc: PosthocSegmentor, modules: dict[str, Fittable], images: CalibrationImages,
                   part: tuple[float, float]) -> None:
    """Fit modules that see the same images, in as many passes as the one with most stages needs, and more where one asks."""
    posthoc.eval()
    passes = passes_in_order(modules)
    for number, (stage, active) in enumerate(passes, 1):
        while active:
            names = ', '.join(name.removeprefix('uncertainty_heads.') for name in active)
            active = fit_stage(active, stage, _batches(posthoc, images, part, f'{names}, pass {number} of {len(passes)}'))


def show_target(posthoc: PosthocSegmentor, target: Iterable) -> None:
    """Show images without labels to sets that follow them.

    Args:
        posthoc: The model.
        target: See :func:`~mmseg_uncertainty.plain.batches.bare_images`.

    Raises:
        ValueError: Nothing in the model reads them.
    """
    readers = target_readers(posthoc)
    if not readers:
        raise ValueError("target_images: nothing in the model follows images without labels; use sets=dict(alpha=…, "
                         "method='weighted'), or leave them out.")
    posthoc.eval()
    fit_target(readers, _target_batches(posthoc, target))


def _target_batches(posthoc: PosthocSegmentor, target: Iterable) -> Iterator[FrozenOutputs]:
    device = next(posthoc.base.parameters()).device
    for image in bare_images(target):
        inputs, samples = network_input([image], posthoc.base.size_divisor, device, [tuple(image.shape[-2:])])
        yield posthoc.frozen_outputs(inputs, samples)


def _batches(posthoc: PosthocSegmentor, images: CalibrationImages, part: tuple[float, float],
             title: str) -> Iterator[tuple[FrozenOutputs, Tensor, list[dict]]]:
    device = next(posthoc.base.parameters()).device
    for batch, metas in images.batches(part, title):
        for places in same_shapes(batch):
            inputs, samples, labels = labelled_input([batch[place] for place in places], posthoc.base.size_divisor, device)
            yield (posthoc.frozen_outputs(inputs, samples), labels,
                   [dict(samples[index].metainfo, **metas[place]) for index, place in enumerate(places)])
