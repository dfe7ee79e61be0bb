"""The mathematics; names are imported once they are asked for, so that what counts in NumPy alone needs no torch."""
from typing import TYPE_CHECKING

from mmseg_uncertainty.lazy_names import lazy_names

if TYPE_CHECKING:
    from .class_summary import ClassSummary, summarize
    from .prediction_sets import SetFamily, set_sizes
    from .risk_control import RiskTarget, control_classes, control_risk, control_risks, images_needed, learn_then_test
    from .scores import energy, entropy, margin, max_logit, msp, mutual_information, standardized_max_logit

_PLACES = {
    'ClassSummary': 'class_summary', 'RiskTarget': 'risk_control', 'SetFamily': 'prediction_sets',
    'control_classes': 'risk_control', 'control_risk': 'risk_control', 'control_risks': 'risk_control', 'energy': 'scores',
    'entropy': 'scores', 'images_needed': 'risk_control', 'learn_then_test': 'risk_control', 'margin': 'scores',
    'max_logit': 'scores', 'msp': 'scores', 'mutual_information': 'scores', 'set_sizes': 'prediction_sets',
    'standardized_max_logit': 'scores', 'summarize': 'class_summary'}
__all__ = [
    'ClassSummary', 'RiskTarget', 'SetFamily', 'control_classes', 'control_risk', 'control_risks', 'energy', 'entropy',
    'images_needed', 'learn_then_test', 'margin', 'max_logit', 'msp', 'mutual_information', 'set_sizes',
    'standardized_max_logit', 'summarize'
]

__getattr__, __dir__ = lazy_names(__name__, _PLACES, globals())
