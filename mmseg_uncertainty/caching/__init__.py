from .base_output_cache import BaseOutputCache
from .map_store import MapStore

__all__ = ['BaseOutputCache', 'MapStore']
