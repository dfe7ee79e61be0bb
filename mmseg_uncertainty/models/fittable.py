"""Modules that are fitted by streaming statistics: their contract, their order and one pass of their fit."""
from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

import torch
from torch import Tensor, nn

from mmseg_uncertainty.runtime.freed_memory import FreedMemory
from mmseg_uncertainty.structures import FrozenOutputs


class Fittable(metaclass=ABCMeta):
    """A module that is fitted by streaming the calibration set through the frozen model.

    :func:`fit_stage` calls ``start_stage(s)``, then ``update(...)`` once per batch, then ``merge_ranks()`` and
    ``finish_stage(s)``, for every stage ``s``. Statistics are exact merges (int64 counts, float64 sums), so the order of
    the images, the batch size and the number of ranks do not change the result. Where ``needs_another_pass(s)`` is then
    true, the stage is streamed once more.

    Attributes:
        promises: Whether the fit promises something of further images, so that no image may have fitted what it reads.
        shares: Shares of the images that the fit divides among steps of its own, by name, in their order.
        reads: Names of the heads whose scores the module reads.
        reads_target: Whether it then reads images without labels from where it will be used: ``start_target()``,
            ``update_target(outputs)`` once per batch, ``finish_target()``.
    """

    stages: int = 1
    promises: bool = False
    shares: Mapping[str, float] = MappingProxyType({})
    reads: tuple[str, ...] = ()
    reads_target: bool = False

    def start_stage(self, stage: int) -> None:
        """Reset the statistics of one stage."""

    @abstractmethod
    def update(self, outputs: FrozenOutputs, labels: Tensor, metas: list[dict]) -> None:
        """Add one batch.

        Args:
            outputs: Outputs of the frozen model; ``outputs.logits`` have the size of the labels.
            labels: Class labels, shape (N, H, W), int64, 255 = void.
            metas: ``metainfo`` of each image.
        """

    def merge_ranks(self) -> None:
        """Sum the statistics over all processes; nothing to do for one process."""

    @abstractmethod
    def finish_stage(self, stage: int) -> None:
        """Write the result of one stage to buffers, so that it is saved with the checkpoint."""

    def start_target(self) -> None:
        """Forget earlier target images."""

    def update_target(self, outputs: FrozenOutputs) -> None:
        """Add one batch of target images."""

    def finish_target(self) -> None:
        """Write what follows from the target images to buffers."""

    def needs_another_pass(self, stage: int) -> bool:
        """Whether what :meth:`finish_stage` wrote is preliminary and the images must be seen once more for this stage."""
        return False


def fittables_in_order(model: nn.Module) -> tuple[dict[str, Fittable], dict[str, Fittable]]:
    """What is read and fitted first, and what reads it and is fitted after it, by name.

    Calibrators are read by all others. A head is read where a decision compares its score; it is then fitted with the
    calibrators, on images that the decision does not see, and with it the heads that it adds up. Heads from whose scores a flow
    has learned are not fitted again.
    """
    settled = {f'uncertainty_heads.{name}' for head in getattr(model, 'uncertainty_heads', {}).values()
               for name in getattr(head, 'settled', ())}
    fitted = {name: module for name, module in model.named_modules() if isinstance(module, Fittable) and name not in settled}
    decided = {f'uncertainty_heads.{name}' for decision in getattr(model, 'decisions', {}).values() for name in decision.reads}
    read = {name: module for name, module in fitted.items() if name.startswith('calibrator') or name in decided and module.stages}
    return read, {name: module for name, module in fitted.items() if name not in read}


def evidence_of_flows(model: nn.Module) -> dict[str, Fittable]:
    """What must be fitted before flows learn, since its scores are their inputs, by name."""
    heads = model.uncertainty_heads
    names = dict.fromkeys(name for head in heads.values() for name in head.evidence)
    return {f'uncertainty_heads.{name}': heads[name] for name in names if isinstance(heads[name], Fittable)}


def heads_read(model: nn.Module, module: Fittable) -> set[str]:
    """Heads whose scores a module reads, itself or by the calibrator, whose logits all others read."""
    calibrator = getattr(model, 'calibrator', None)
    return {*module.reads, *(getattr(calibrator, 'reads', ()) if module is not calibrator else ())}


def passes_in_order(modules: Mapping[str, Fittable]) -> list[tuple[int, dict[str, Fittable]]]:
    """Stage and modules of each pass over one group of :func:`fittables_in_order`; calibrators pass before what reads them."""
    calibrators = {name: module for name, module in modules.items() if name.startswith('calibrator')}
    passes = []
    for group in (calibrators, {name: module for name, module in modules.items() if name not in calibrators}):
        for stage in range(max((module.stages for module in group.values()), default=0)):
            passes.append((stage, {name: module for name, module in group.items() if module.stages > stage}))
    return passes


@torch.no_grad()
def fit_stage(modules: Mapping[str, Fittable], stage: int,
              batches: Iterable[tuple[FrozenOutputs, Tensor, list[dict]]]) -> dict[str, Fittable]:
    """Fit one stage of modules that see the same images.

    Args:
        modules: Modules that have this stage, by name.
        stage: The stage.
        batches: What :meth:`Fittable.update` takes, once for each batch.

    Returns:
        Modules that must see the images once more for this stage.
    """
    for module in modules.values():
        module.start_stage(stage)
    freed_memory = FreedMemory()
    for outputs, labels, metas in batches:
        for module in modules.values():
            module.update(outputs, labels, metas)
        freed_memory.after(labels.numel())
    for module in modules.values():
        module.merge_ranks()
        module.finish_stage(stage)
    return {name: module for name, module in modules.items() if module.needs_another_pass(stage)}


def fit_in_order(model: nn.Module, batches: Callable[[], Iterable[tuple[FrozenOutputs, Tensor, list[dict]]]]) -> None:
    """Fit everything in a segmentor that is fitted by statistics, on the same images, where nothing is promised of others.

    Args:
        model: The segmentor.
        batches: Gives what :func:`fit_stage` takes, anew for every pass.
    """
    for group in fittables_in_order(model):
        for stage, modules in passes_in_order(group):
            while modules:
                modules = fit_stage(modules, stage, batches())


def target_readers(model: nn.Module) -> dict[str, Fittable]:
    """Modules that read images without labels once they are fitted, by name."""
    return {name: module for name, module in model.named_modules() if isinstance(module, Fittable) and module.reads_target}


@torch.no_grad()
def fit_target(modules: Mapping[str, Fittable], batches: Iterable[FrozenOutputs]) -> None:
    """Show target images, which have no labels, to modules that are fitted otherwise.

    Args:
        modules: See :func:`target_readers`.
        batches: Outputs of each batch.
    """
    for module in modules.values():
        module.start_target()
    for outputs in batches:
        for module in modules.values():
            module.update_target(outputs)
    for module in modules.values():
        module.finish_target()
