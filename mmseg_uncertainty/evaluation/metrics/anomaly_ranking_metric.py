"""``--eval mFishy``: anomaly detection at pixel level."""
from __future__ import annotations

from mmseg.registry import METRICS
from torch import Tensor

from .pixel_ranking_metric import PixelRankingMetric
from .sample_fields import NO_ANOMALY_ADVICE, anomaly_labels


@METRICS.register_module()
class AnomalyRankingMetric(PixelRankingMetric):
    """How well every head ranks anomalous pixels (label 1) above in-distribution pixels (label 0); 255 is left out.

    Needs a dataset with anomaly labels. ``protocol='fishyscapes'`` is what the server of Fishyscapes computes (Blum et al., "The
    Fishyscapes Benchmark", IJCV 2021): pixels of all images together, void left out, step-wise AP and the FPR at the first
    threshold with a true-positive rate of at least 95 %, equal scores taken together; the numbers of ``'pooled'``, under a key that
    says so. ``protocol='published'`` gives the trapezoid under the precision-recall curve
    under the name AP and the linearly interpolated FPR95, as FlowEneDet (Gudovskiy et al., UAI 2023) prints them. See
    :class:`PixelRankingMetric` for keys, units and arguments.
    """

    eval_name = 'mFishy'
    protocols = (*PixelRankingMetric.protocols, 'fishyscapes')
    label_kind = 'anomaly'
    positive_name = 'anomalous pixels'
    advice = NO_ANOMALY_ADVICE

    def pixel_groups(self, sample: dict) -> Tensor:
        """Labels as they are, shape (H, W), uint8.

        Raises:
            SampleError: If a label is none of 0, 1 and 255.
        """
        return anomaly_labels(sample, self.check)
