from .frozen import Frozen
from .frozen_base import QUERIES, BasePass, FrozenBase
from .layer_tap import LayerTap, at_least_float32
from .mmseg_base import MMSegBase
from .presets import PRESETS, base_of
from .smp_base import SegmentationModelsBase
from .torch_base import TorchBase
from .torchvision_base import TorchvisionBase
from .transformers_base import TransformersBase

__all__ = [
    'PRESETS', 'QUERIES', 'BasePass', 'Frozen', 'FrozenBase', 'LayerTap', 'MMSegBase', 'SegmentationModelsBase', 'TorchBase',
    'TorchvisionBase', 'TransformersBase', 'at_least_float32', 'base_of'
]
