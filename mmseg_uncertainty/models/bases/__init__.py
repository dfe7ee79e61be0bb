from .frozen import Frozen
from .frozen_base import BasePass, FrozenBase
from .layer_tap import LayerTap, at_least_float32
from .mmseg_base import MMSegBase
from .torch_base import TorchBase

__all__ = ['BasePass', 'Frozen', 'FrozenBase', 'LayerTap', 'MMSegBase', 'TorchBase', 'at_least_float32']
