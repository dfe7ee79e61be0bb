"""Contract of modules that are fitted by streaming statistics."""
from __future__ import annotations

from abc import ABCMeta, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType

from torch import Tensor

from mmseg_uncertainty.structures import FrozenOutputs


class Fittable(metaclass=ABCMeta):
    """A module that ``CalibrationLoop`` fits by streaming the calibration set through the frozen model.

    The loop calls ``start_stage(s)``, then ``update(...)`` once per batch, then ``merge_ranks()`` and
    ``finish_stage(s)``, for every stage ``s``. Statistics are exact merges (int64 counts, float64 sums), so the order of
    the images, the batch size and the number of ranks do not change the result. Where ``needs_another_pass(s)`` is then
    true, the stage is streamed once more.

    Attributes:
        promises: Whether the fit promises something of further images, so that no image may have fitted what it reads.
        shares: Shares of the images that the fit divides among steps of its own, by name, in their order.
    """

    stages: int = 1
    promises: bool = False
    shares: Mapping[str, float] = MappingProxyType({})

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

    def needs_another_pass(self, stage: int) -> bool:
        """Whether what :meth:`finish_stage` wrote is preliminary and the images must be seen once more for this stage."""
        return False
