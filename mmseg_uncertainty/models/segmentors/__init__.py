from .ensemble_segmentor import EnsembleSegmentor
from .posthoc_segmentor import PosthocSegmentor

__all__ = ['EnsembleSegmentor', 'PosthocSegmentor']
