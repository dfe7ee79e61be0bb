from .frozen_model_wrapper import FrozenModelWrapper

__all__ = ['FrozenModelWrapper']
