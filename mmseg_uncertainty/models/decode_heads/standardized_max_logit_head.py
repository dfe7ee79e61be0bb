"""Standardized max-logit score."""
from __future__ import annotations

from mmseg.registry import MODELS
from torch import Tensor

from mmseg_uncertainty.functional import standardized_max_logit
from mmseg_uncertainty.models.fittable import Fittable
from mmseg_uncertainty.structures import FrozenOutputs, GridOutputs, MethodInfo

from .score_head import ScoreHead
from .top_logit_statistics import TopLogitStatistics


@MODELS.register_module()
class StandardizedMaxLogitHead(ScoreHead, Fittable):
    r"""Score by the negative largest logit, standardized by the statistics of its class, :math:`-(l_k - \mu_k)/\sigma_k`.

    The published method adds the filter :class:`~mmseg_uncertainty.models.filters.BoundarySuppression`.

    Args:
        num_classes: Classes K of the base model.
        class_statistics: Published constants or a dict instead of fitted statistics, see :class:`TopLogitStatistics`.
        score_options: Options of :class:`ScoreHead`.
    """

    info = MethodInfo(
        'Standardized Max Logits: A Simple yet Effective Approach for Identifying Unexpected Road Obstacles in '
        'Urban-Scene Segmentation', 'Jung et al.', 2021, needs={'logits'}, fitted=True,
        venue='ICCV', url='https://arxiv.org/abs/2107.11264', unit='standard deviations', meaning='more unusual for its class')

    def __init__(self, num_classes: int, class_statistics: str | dict | None = None, **score_options) -> None:
        super().__init__(**score_options)
        self.statistics = TopLogitStatistics(num_classes, class_statistics)
        self.stages = 0 if class_statistics is not None else 1

    def score(self, logits: Tensor, features: Tensor | None) -> Tensor:
        """Negative standardized max-logit; shapes as in :meth:`ScoreHead.score`."""
        return self.score_cells(GridOutputs(logits))

    def score_cells(self, outputs: GridOutputs) -> Tensor:
        """Score the logit of the predicted class; see :meth:`ScoreHead.score_cells`."""
        self.statistics.check(type(self).__name__)
        return standardized_max_logit(outputs.summary(), self.statistics.means, self.statistics.variances)

    def start_stage(self, stage: int) -> None:
        """Forget earlier statistics."""
        self.statistics.reset()

    def update(self, outputs: FrozenOutputs, labels: Tensor, metas: list[dict]) -> None:
        """Add one batch at the size of the labels."""
        self.statistics.observe(outputs.logits, labels, outputs.output.classes)

    def merge_ranks(self) -> None:
        """Merge the statistics of all processes."""
        self.statistics.merge_ranks()

    def finish_stage(self, stage: int) -> None:
        """Write means and variances.

        Raises:
            ValueError: No pixel is predicted as it is labelled.
        """
        if not self.statistics.count.any():
            raise ValueError(f'{type(self).__name__}: no pixel of the calibration images is predicted as it is labelled, so there '
                             'is nothing to fit on. Check their label files and the label map.')
        self.statistics.finish()
