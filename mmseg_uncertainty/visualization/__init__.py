from mmseg_uncertainty import connected  # noqa: F401

from .uncertainty_visualizer import UncertaintyVisualizer

__all__ = ['UncertaintyVisualizer']
