"""Post-hoc uncertainty for any MMSegmentation model."""
from .host import connect_host

__version__ = '0.1.0'

connect_host()
