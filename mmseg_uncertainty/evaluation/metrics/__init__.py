from .anomaly_ranking_metric import AnomalyRankingMetric
from .misclassification_metric import MisclassificationMetric

__all__ = ['AnomalyRankingMetric', 'MisclassificationMetric']
