"""Base class of scores that follow from the class summary alone."""
from __future__ import annotations

from abc import abstractmethod

from torch import Tensor

from mmseg_uncertainty.functional import ClassSummary
from mmseg_uncertainty.structures import GridOutputs

from .score_head import ScoreHead


class SummaryHead(ScoreHead):
    """A stateless score of the :class:`~mmseg_uncertainty.functional.ClassSummary`.

    One summary serves all heads of this kind, so that a second score costs next to nothing.

    Args:
        temperature: Divides the logits before they are summarized.
        score_options: See :class:`ScoreHead`.
    """

    def __init__(self, temperature: float = 1.0, **score_options) -> None:
        if not temperature > 0:
            raise ValueError(f'{type(self).__name__}: temperature={temperature} must be positive.')
        super().__init__(**score_options)
        self.temperature = temperature

    @abstractmethod
    def score_summary(self, summary: ClassSummary) -> Tensor:
        """Score every pixel from the summary of ``logits / temperature``; returns shape (N, h, w)."""

    def score(self, logits: Tensor, features: Tensor | None) -> Tensor:
        """Summarize and score; see :meth:`ScoreHead.score`."""
        return self.score_cells(GridOutputs(logits))

    def score_cells(self, outputs: GridOutputs) -> Tensor:
        """Score from the summary that all heads share; see :meth:`ScoreHead.score_cells`."""
        return self.score_summary(outputs.summary(self.temperature))
