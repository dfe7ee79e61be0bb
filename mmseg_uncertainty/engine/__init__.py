from mmseg_uncertainty import connected  # noqa: F401

from . import atomic_backend, hooks, loops, model_wrappers, optim_wrappers  # noqa: F401
