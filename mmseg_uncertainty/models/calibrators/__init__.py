from .calibrator import Calibrator
from .clustered_temperature_scaling import ClusteredTemperatureScaling
from .ensemble_temperature_scaling import EnsembleTemperatureScaling
from .local_temperature_scaling import LocalTemperatureScaling
from .matrix_scaling import MatrixScaling
from .order_preserving_scaling import OrderPreservingScaling
from .sampled_calibrator import SampledCalibrator
from .selective_scaling import SelectiveScaling
from .spline_calibration import SplineCalibration
from .temperature_scaling import TemperatureScaling
from .vector_scaling import VectorScaling

__all__ = [
    'Calibrator', 'ClusteredTemperatureScaling', 'EnsembleTemperatureScaling', 'LocalTemperatureScaling', 'MatrixScaling',
    'OrderPreservingScaling', 'SampledCalibrator', 'SelectiveScaling', 'SplineCalibration', 'TemperatureScaling', 'VectorScaling'
]
