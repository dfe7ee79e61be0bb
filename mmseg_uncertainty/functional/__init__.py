from .class_summary import ClassSummary, summarize
from .prediction_sets import SetFamily, set_sizes
from .risk_control import RiskTarget, control_classes, control_risk, control_risks, images_needed, learn_then_test
from .scores import energy, entropy, margin, max_logit, msp, mutual_information, standardized_max_logit

__all__ = [
    'ClassSummary', 'RiskTarget', 'SetFamily', 'control_classes', 'control_risk', 'control_risks', 'energy', 'entropy',
    'images_needed', 'learn_then_test', 'margin', 'max_logit', 'msp', 'mutual_information', 'set_sizes',
    'standardized_max_logit', 'summarize'
]
