from .posthoc_segmentor import PosthocSegmentor

__all__ = ['PosthocSegmentor']
