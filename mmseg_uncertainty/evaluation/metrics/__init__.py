from .anomaly_ranking_metric import AnomalyRankingMetric
from .bravo_metric import BravoMetric
from .calibration_metric import CalibrationMetric
from .class_iou_metric import ClassIoUMetric
from .component_metric import ComponentMetric
from .coverage_metric import CoverageMetric
from .decision_metric import DecisionMetric
from .image_ood_metric import ImageOODMetric
from .local_ood_metric import LocalOODMetric
from .macro_f1_metric import MacroF1Metric
from .misclassification_metric import MisclassificationMetric
from .open_set_metric import OpenSetMetric
from .published_open_set_metric import PublishedOpenSetMetric
from .streaming_metric import StreamingMetric

__all__ = [
    'AnomalyRankingMetric', 'BravoMetric', 'CalibrationMetric', 'ClassIoUMetric', 'ComponentMetric', 'CoverageMetric',
    'DecisionMetric',
    'ImageOODMetric', 'LocalOODMetric', 'MacroF1Metric', 'MisclassificationMetric', 'OpenSetMetric',
    'PublishedOpenSetMetric', 'StreamingMetric'
]
