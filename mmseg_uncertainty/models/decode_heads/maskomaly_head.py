"""MaskomalyHead: see :func:`mmseg_uncertainty.functional.mask_scores.mask_anomaly`."""
from __future__ import annotations

from collections.abc import Sequence

from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from mmseg_uncertainty.functional.mask_scores import mask_anomaly
from mmseg_uncertainty.models.bases import QUERIES
from mmseg_uncertainty.runtime.score_scale import ScoreScale
from mmseg_uncertainty.structures import GridOutputs, MethodInfo

from .score_head import ScoreHead


@MODELS.register_module()
class MaskomalyHead(ScoreHead):
    """Score pixels of a mask transformer by the masks of its queries.

    See :func:`~mmseg_uncertainty.functional.mask_scores.mask_anomaly`. Masks are read at their own size, the score is resized.

    Args:
        confidence: Probability above which a query is sure of its class, in (0, 1).
        border: Where two masks exceed it they meet; ``None`` does without.
        anomalous: Numbers of queries that answer to anomalies.
        share: Weight of what is not covered beside that of these queries, in [0, 1].
        score_options: Options of :class:`ScoreHead`; always ``resolution='native'``.

    Raises:
        ValueError: An option is out of range.
    """

    info = MethodInfo(
        'Maskomaly: Zero-Shot Mask Anomaly Segmentation', 'Ackermann, Sakaridis and Yu', 2023, needs={'queries'}, venue='BMVC',
        url='https://arxiv.org/abs/2305.16972', unit='probability', meaning='less claimed by any object')

    def __init__(self, confidence: float = 0.7, border: float | None = 0.1, anomalous: Sequence[int] = (), share: float = 0.6,
                 **score_options) -> None:
        super().__init__(**score_options)
        if not 0 < confidence < 1 or not 0 <= share <= 1:
            raise ValueError(f'MaskomalyHead: confidence={confidence} must lie strictly between 0 and 1, and share={share} in '
                             '[0, 1].')
        self.confidence, self.border, self.anomalous, self.share = confidence, border, tuple(anomalous), share
        self.resolution = 'native'

    @property
    def layers(self) -> tuple[str, ...]:
        """The queries; see :attr:`ScoreHead.layers`."""
        return QUERIES

    def bind(self, model: nn.Module) -> None:
        """See :meth:`ScoreHead.bind`.

        Raises:
            TypeError: The base model has no queries.
        """
        model.base.query_layer('MaskomalyHead')

    def score(self, logits: Tensor, features: Tensor | None) -> Tensor:
        """Refuse what holds no queries; see :meth:`score_cells`."""
        return self.score_cells(GridOutputs(logits, features))

    def score_cells(self, outputs: GridOutputs) -> Tensor:
        """Score by the queries; see :meth:`ScoreHead.score_cells`.

        Raises:
            ValueError: The outputs hold no queries.
        """
        if not set(QUERIES) <= set(outputs.layers):
            raise ValueError('MaskomalyHead reads queries, which these outputs do not hold; pass those of a PosthocSegmentor '
                             'with this head.')
        classes, masks = (outputs.layers[name] for name in QUERIES)
        score = mask_anomaly(classes, masks, self.confidence, self.border, self.anomalous, self.share)
        return F.interpolate(score[:, None], size=outputs.logits.shape[2:], mode='bilinear', align_corners=False)[:, 0]

    def scale(self, num_classes: int) -> ScoreScale:
        """See :meth:`ScoreHead.scale`."""
        return ScoreScale('probability', 0., 1., 0.5)
