from .uncertainty_visualizer import UncertaintyVisualizer

__all__ = ['UncertaintyVisualizer']
