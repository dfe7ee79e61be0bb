"""RbAHead: see :func:`mmseg_uncertainty.functional.mask_scores.rejected_by_all`."""
from __future__ import annotations

from mmseg.registry import MODELS
from torch import Tensor, nn

from mmseg_uncertainty.functional.class_distributions import MaskMass
from mmseg_uncertainty.functional.mask_scores import rejected_by_all
from mmseg_uncertainty.structures import MethodInfo

from .score_head import ScoreHead


@MODELS.register_module()
class RbAHead(ScoreHead):
    """Score pixels of a mask transformer by :func:`~mmseg_uncertainty.functional.mask_scores.rejected_by_all`.

    Class logits are the logarithms of the mass. The head always reads those of the base model, since calibrated ones hold none.

    Args:
        score_options: Options of :class:`ScoreHead`; always ``resolution='native'``.
    """

    info = MethodInfo(
        'RbA: Segmenting Unknown Regions Rejected by All', 'Nayal et al.', 2023, venue='ICCV',
        url='https://arxiv.org/abs/2211.14293', unit='classes', meaning='rejected by more classes')

    def __init__(self, **score_options) -> None:
        super().__init__(**score_options)
        self.resolution = 'native'

    def bind(self, model: nn.Module) -> None:
        """See :meth:`ScoreHead.bind`.

        Raises:
            TypeError: The base model is no mask transformer.
        """
        if model.base.distribution.name != MaskMass.name:
            raise TypeError(f'RbAHead reads the mass that masks give to every class, and the output of the base model is '
                            f'{model.base.distribution.name!r}. Use a Mask2Former or MaskFormer, or EnergyHead.')

    def score(self, logits: Tensor, features: Tensor | None) -> Tensor:
        """Score every pixel; see :meth:`ScoreHead.score`."""
        return rejected_by_all(logits.exp())
