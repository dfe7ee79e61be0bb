from .frozen_outputs import FrozenOutputs, stack_outputs
from .grid import Grid
from .grid_outputs import GridOutputs, stack_grids
from .image_outputs import ImageOutputs
from .map_on_grid import MapOnGrid
from .method_info import MethodInfo
from .place import Place

__all__ = [
    'FrozenOutputs', 'Grid', 'GridOutputs', 'ImageOutputs', 'MapOnGrid', 'MethodInfo', 'Place', 'stack_grids', 'stack_outputs'
]
