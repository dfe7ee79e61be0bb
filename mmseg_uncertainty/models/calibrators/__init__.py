from .calibrator import Calibrator
from .clustered_temperature_scaling import ClusteredTemperatureScaling
from .local_temperature_scaling import LocalTemperatureScaling
from .temperature_scaling import TemperatureScaling
from .vector_scaling import VectorScaling

__all__ = [
    'Calibrator', 'ClusteredTemperatureScaling', 'LocalTemperatureScaling', 'TemperatureScaling', 'VectorScaling'
]
