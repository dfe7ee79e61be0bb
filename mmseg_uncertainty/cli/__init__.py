"""The commands: ``mmseg-uncertainty COMMAND``, ``python -m mmseg_uncertainty COMMAND`` and the files in ``tools/``."""
from .commands import call, main, run

__all__ = ['call', 'main', 'run']
