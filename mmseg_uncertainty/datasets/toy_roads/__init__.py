from .canvas import CLASSES
from .light import CONDITIONS
from .street_scene import render_street_scene

__all__ = ['CLASSES', 'CONDITIONS', 'render_street_scene']
