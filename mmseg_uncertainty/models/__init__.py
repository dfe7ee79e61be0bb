from mmseg_uncertainty import connected  # noqa: F401

from . import backbones, bases, calibrators, decisions, filters, flows, losses, set_heads  # noqa: F401
from .decode_heads import *  # noqa: F401,F403
from .segmentors import EnsembleSegmentor, PosthocSegmentor

__all__ = ['EnsembleSegmentor', 'PosthocSegmentor']
