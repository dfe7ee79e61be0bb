"""Fits calibrators, heads and sets by streaming the images through the frozen network, one pass per stage."""
from __future__ import annotations

import torch
from mmengine.logging import print_log

from mmseg_uncertainty.models import PosthocSegmentor
from mmseg_uncertainty.models.fittable import Fittable
from mmseg_uncertainty.runtime.freed_memory import FreedMemory

from .batches import labelled_input, same_shapes
from .calibration_images import WHOLE, CalibrationImages


def fitted_by_statistics(posthoc: PosthocSegmentor) -> tuple[dict[str, Fittable], dict[str, Fittable]]:
    """Calibrators, and what reads their logits and is fitted after them, by name."""
    fitted = {name: module for name, module in posthoc.named_modules() if isinstance(module, Fittable) and module.stages}
    calibrators = {name: module for name, module in fitted.items() if name.startswith('calibrator')}
    return calibrators, {name: module for name, module in fitted.items() if name not in calibrators}


def parts_of_images(posthoc: PosthocSegmentor, images: CalibrationImages,
                    calibrator_share: float) -> tuple[tuple[float, float], tuple[float, float]]:
    """Which images fit calibrators, and which what is fitted after them.

    A prediction set promises something of further images, so none of its images may have fitted the calibrator that it
    reads. Where there are no sets all images fit everything.

    Raises:
        ValueError: The share is not in (0, 1), or leaves no image for one of the two.
    """
    calibrators, others = fitted_by_statistics(posthoc)
    if not calibrators or posthoc.set_head is None:
        return WHOLE, WHOLE
    if not 0 < calibrator_share < 1:
        raise ValueError(f'calibrator_share={calibrator_share} must lie strictly between 0 and 1: a calibrator and '
                         'prediction sets cannot share images.')
    parts = (0.0, calibrator_share), (calibrator_share, 1.0)
    counts = [images.count(part) for part in parts]
    if not all(counts):
        raise ValueError(f'calibrator_share={calibrator_share} of {len(images)} images leaves {counts[0]} for the '
                         f'calibrator and {counts[1]} for prediction sets; fit on more images, or choose another share.')
    by = 'content, since the loader shuffles' if images.shuffles else 'index'
    print_log(f'{len(images)} images are divided by {by}: {counts[0]} fit the calibrator, {counts[1]} the sets.', 'current')
    return parts


@torch.no_grad()
def fit_statistics(posthoc: PosthocSegmentor, modules: dict[str, Fittable], images: CalibrationImages,
                   part: tuple[float, float]) -> None:
    """Fit modules that see the same images, in as many passes as the one with most stages needs, and more where one asks."""
    posthoc.eval()
    stages = max(module.stages for module in modules.values())
    for stage in range(stages):
        active = {name: module for name, module in modules.items() if module.stages > stage}
        while active:
            names = ', '.join(name.removeprefix('uncertainty_heads.') for name in active)
            _stream(posthoc, active, stage, images, part, f'{names}, pass {stage + 1} of {stages}')
            active = {name: module for name, module in active.items() if module.needs_another_pass(stage)}


def _stream(posthoc: PosthocSegmentor, modules: dict[str, Fittable], stage: int, images: CalibrationImages,
            part: tuple[float, float], title: str) -> None:
    device = next(posthoc.base.parameters()).device
    for module in modules.values():
        module.start_stage(stage)
    freed_memory = FreedMemory()
    for batch, metas in images.batches(part, title):
        for places in same_shapes(batch):
            inputs, samples, labels = labelled_input([batch[place] for place in places], posthoc.base.size_divisor, device)
            outputs = posthoc.frozen_outputs(inputs, samples)
            for module in modules.values():
                module.update(outputs, labels, [dict(samples[index].metainfo, **metas[place])
                                                for index, place in enumerate(places)])
            freed_memory.after(labels.numel())
    for module in modules.values():
        module.merge_ranks()
        module.finish_stage(stage)
