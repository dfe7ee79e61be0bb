from . import atomic_backend, hooks, loops, model_wrappers, optim_wrappers  # noqa: F401
