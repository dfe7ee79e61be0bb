from .frozen_outputs import FrozenOutputs
from .method_info import MethodInfo

__all__ = ['FrozenOutputs', 'MethodInfo']
