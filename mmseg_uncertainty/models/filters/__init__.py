from .boundary_suppression import BoundarySuppression
from .gaussian_smoothing import GaussianSmoothing

__all__ = ['BoundarySuppression', 'GaussianSmoothing']
