"""Loss of the FlowEneDet detector."""
from __future__ import annotations

from mmseg.registry import MODELS
from torch import Tensor, nn
from torch.nn import functional as F

from mmseg_uncertainty.functional.detection_targets import balanced_weight, detection_targets, void_weight
from mmseg_uncertainty.label_values import INLIER, OUTLIER, PADDING, VOID


@MODELS.register_module()
class FlowEneDetLoss(nn.Module):
    r"""Two-way cross-entropy of right against wrong pixels, with an optional likelihood term.

    :math:`\frac{\sum_i w_i\,\mathrm{CE}_i}{\sum_i w_i} - \lambda\,\frac{\sum_i w_i \log p(z_i, m_i)}{D \sum_i w_i}`. The
    first term is that of the released FlowEneDet. A log-determinant that both components share cancels in it, so without
    the second the flow is only a feature map; with it the densities have to fit.

    Args:
        void_policy: What void pixels are: ``'positive'`` (as published), ``'ignore'``, or a weight as positives.
        ignore_index: Label of void pixels.
        padding_label: Label with which the training pipeline pads, or ``None`` if it does not pad. Padding never counts,
            so it needs a label of its own where void pixels do: see ``seg_pad_val`` of the data preprocessor.
        outlier_label: Label of the objects that ``PasteOutliers`` pastes; they are always wrong.
        inlier_label: Label of the pixels that ``MarkInliers`` marks; they are never wrong.
        mistake_weight: Weight of mistakes that are no outliers; a small one leaves a detector of unknown objects.
        inlier_weight: Weight of inliers.
        positive_weight: Weight of wrong pixels, or ``'balanced'`` for equal sums of both kinds in every batch.
        likelihood_weight: :math:`\lambda`.
    """

    def __init__(self,
                 void_policy: str | float = 'ignore',
                 ignore_index: int = VOID,
                 padding_label: int | None = PADDING,
                 outlier_label: int | None = OUTLIER,
                 inlier_label: int | None = INLIER,
                 mistake_weight: float = 1.0,
                 inlier_weight: float = 1.0,
                 positive_weight: float | str = 1.0,
                 likelihood_weight: float = 0.0) -> None:
        super().__init__()
        void_weight(void_policy)
        if isinstance(positive_weight, str) and positive_weight != 'balanced':
            raise ValueError(f"positive_weight={positive_weight!r}: give a number or 'balanced'.")
        if min(mistake_weight, inlier_weight) < 0:
            raise ValueError(f'mistake_weight={mistake_weight} and inlier_weight={inlier_weight} must not be negative.')
        self.target_options = dict(void_policy=void_policy, ignore_index=ignore_index, padding_label=padding_label,
                                   outlier_label=outlier_label, inlier_label=inlier_label, mistake_weight=mistake_weight,
                                   inlier_weight=inlier_weight)
        self.positive_weight, self.likelihood_weight = positive_weight, likelihood_weight

    def targets(self, predicted: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Wrong pixels (N, H, W) bool and weights (N, H, W); see :func:`detection_targets`."""
        return detection_targets(predicted, labels, **self.target_options)

    def forward(self, log_odds: Tensor, wrong: Tensor, weight: Tensor,
                log_joint: Tensor | None = None) -> dict[str, Tensor]:
        """Compute the terms.

        Args:
            log_odds: Log-odds that a pixel is wrong, shape (N, H, W), at the size of the labels.
            wrong: Shape (N, H, W), bool.
            weight: Shape (N, H, W), non-negative.
            log_joint: :math:`\\log p(z, m) / D` of every pixel for both m, shape (N, 2, h, w), at the flow's size; needed
                when ``likelihood_weight`` is not 0.
        """
        weight = self._weigh(wrong, weight)
        per_pixel = F.binary_cross_entropy_with_logits(log_odds, wrong.to(log_odds), reduction='none')
        losses = {'loss_posterior': _weighted_mean(per_pixel, weight)}
        if self.likelihood_weight:
            size = log_joint.shape[-2:]
            share = [_shrink(weight * (wrong == kind), size) for kind in (False, True)]
            negative = [-log_joint[:, kind] * share[kind] for kind in range(2)]
            total = (share[0] + share[1]).sum().clamp_min(1e-12)
            losses['loss_likelihood'] = self.likelihood_weight * (negative[0] + negative[1]).sum() / total
        return losses

    def _weigh(self, wrong: Tensor, weight: Tensor) -> Tensor:
        if self.positive_weight == 'balanced':
            return balanced_weight(wrong, weight)
        return weight.where(~wrong, weight * self.positive_weight)


def _weighted_mean(values: Tensor, weight: Tensor) -> Tensor:
    return (values * weight).sum() / weight.sum().clamp_min(1e-12)


def _shrink(weight: Tensor, size: tuple[int, int]) -> Tensor:
    return F.interpolate(weight.unsqueeze(1), size=size, mode='area').squeeze(1)
