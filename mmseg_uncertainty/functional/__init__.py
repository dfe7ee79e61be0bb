"""The mathematics; names are imported once they are asked for, so that what counts in NumPy alone needs no torch."""
from importlib import import_module
from typing import TYPE_CHECKING

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


def __getattr__(name: str) -> object:
    if name not in _PLACES:
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    return getattr(import_module(f'{__name__}.{_PLACES[name]}'), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_PLACES])
