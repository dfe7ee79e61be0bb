"""Plain Python, without configs: wrap a network, fit what says when to trust it, predict, measure."""
from mmseg_uncertainty import connected  # noqa: F401

from .array_evaluation import evaluate_arrays
from .evaluating import evaluate
from .predicted_images import PredictedImages
from .uncertainty_model import UncertaintyModel
from .wrapping import load, wrap

__all__ = ['PredictedImages', 'UncertaintyModel', 'evaluate', 'evaluate_arrays', 'load', 'wrap']
