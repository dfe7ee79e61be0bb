from .class_summary import ClassSummary, summarize
from .scores import energy, entropy, margin, max_logit, msp, mutual_information, standardized_max_logit

__all__ = [
    'ClassSummary', 'energy', 'entropy', 'margin', 'max_logit', 'msp', 'mutual_information', 'standardized_max_logit',
    'summarize'
]
