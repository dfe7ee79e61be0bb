from mmseg_uncertainty import connected  # noqa: F401

from .base_output_cache import BaseOutputCache
from .last_pass import LastPass
from .map_store import MapStore

__all__ = ['BaseOutputCache', 'LastPass', 'MapStore']
