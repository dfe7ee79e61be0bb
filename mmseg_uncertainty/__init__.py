"""Post-hoc uncertainty for any MMSegmentation model."""
from importlib.util import find_spec

from .host import connect_host

__version__ = '0.1.0'


def _has_torch() -> bool:
    try:
        return find_spec('torch') is not None
    except ImportError:
        return False


# Without torch there is no MMSegmentation, and mmseg_uncertainty.runtime needs neither.
if _has_torch():
    connect_host()
