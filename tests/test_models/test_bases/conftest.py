"""Other libraries."""
from tests.libraries import offline, smp, torchvision  # noqa: F401
