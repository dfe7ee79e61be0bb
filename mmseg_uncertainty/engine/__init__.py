from . import hooks, loops, model_wrappers, optim_wrappers  # noqa: F401
