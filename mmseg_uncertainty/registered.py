"""Importing this module registers every class of the package; configs name it in ``custom_imports``."""
from mmseg_uncertainty import connected, datasets, engine, evaluation, models, registry, visualization  # noqa: F401  isort:skip

from mmseg.utils import register_all_modules

register_all_modules(init_default_scope=False)
