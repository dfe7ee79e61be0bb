from .flag_threshold import FlagThreshold

__all__ = ['FlagThreshold']
