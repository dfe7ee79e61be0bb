"""GENHead: see :func:`mmseg_uncertainty.functional.generalized_entropy.generalized_entropy`."""
from __future__ import annotations

from mmseg.registry import MODELS
from torch import Tensor

from mmseg_uncertainty.functional.generalized_entropy import generalized_entropy
from mmseg_uncertainty.structures import GridOutputs, MethodInfo

from .score_head import ScoreHead


@MODELS.register_module()
class GENHead(ScoreHead):
    """Score pixels by :func:`~mmseg_uncertainty.functional.generalized_entropy.generalized_entropy`.

    Args:
        gamma: Power in (0, 1).
        top: Number of the most probable classes that count, ``None`` for all.
        score_options: Options of :class:`ScoreHead`.

    Raises:
        ValueError: An option is out of range.
    """

    info = MethodInfo(
        'GEN: Pushing the Limits of Softmax-Based Out-of-Distribution Detection', 'Liu, Lochman and Zach', 2023, venue='CVPR',
        url='https://openaccess.thecvf.com/content/CVPR2023/html/Liu_GEN_Pushing_the_Limits_of_Softmax-Based_Out-of-'
        'Distribution_Detection_CVPR_2023_paper.html', meaning='more classes come into question')

    def __init__(self, gamma: float = 0.1, top: int | None = None, **score_options) -> None:
        super().__init__(**score_options)
        if not 0 < gamma < 1 or (top is not None and top < 1):
            raise ValueError(f'GENHead: gamma={gamma} must lie between 0 and 1, and top={top} be at least 1 or None.')
        self.gamma, self.top = gamma, top

    def score(self, logits: Tensor, features: Tensor | None) -> Tensor:
        """Score every pixel; see :meth:`ScoreHead.score`."""
        return self.score_cells(GridOutputs(logits))

    def score_cells(self, outputs: GridOutputs) -> Tensor:
        """Score what the output means; see :meth:`ScoreHead.score_cells`."""
        return generalized_entropy(outputs.logits, self.gamma, self.top, sigmoids=not outputs.distribution.sums_to_one)
