from mmseg_uncertainty import connected  # noqa: F401

from .evaluators import EVALUATORS, evaluator_config
from .metrics import *  # noqa: F401,F403

__all__ = ['EVALUATORS', 'evaluator_config']
