from .anomaly_ranking_metric import AnomalyRankingMetric
from .calibration_metric import CalibrationMetric
from .class_iou_metric import ClassIoUMetric
from .macro_f1_metric import MacroF1Metric
from .misclassification_metric import MisclassificationMetric
from .open_set_metric import OpenSetMetric
from .published_open_set_metric import PublishedOpenSetMetric

__all__ = [
    'AnomalyRankingMetric', 'CalibrationMetric', 'ClassIoUMetric', 'MacroF1Metric', 'MisclassificationMetric', 'OpenSetMetric',
    'PublishedOpenSetMetric'
]
