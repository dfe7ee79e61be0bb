"""Plain Python, without configs: wrap a network, fit what says when to trust it, predict, measure."""
from typing import TYPE_CHECKING

from mmseg_uncertainty import connected  # noqa: F401
from mmseg_uncertainty.lazy_names import lazy_names

from .predicted_images import PredictedImages
from .uncertainty_model import UncertaintyModel
from .wrapping import load, wrap

if TYPE_CHECKING:
    from .array_evaluation import evaluate_arrays
    from .evaluating import evaluate

# What measures takes datasets and evaluators along, which a prediction does not need.
_PLACES = {'evaluate': 'evaluating', 'evaluate_arrays': 'array_evaluation'}
__all__ = ['PredictedImages', 'UncertaintyModel', 'evaluate', 'evaluate_arrays', 'load', 'wrap']

__getattr__, __dir__ = lazy_names(__name__, _PLACES, globals())
