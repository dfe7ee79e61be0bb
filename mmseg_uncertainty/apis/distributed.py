"""Several processes, with and without accelerators."""
from __future__ import annotations

import torch
from mmengine.config import Config
from torch import distributed


def launch(config: Config, launcher: str, trains: bool) -> None:
    """Prepare a config for the processes it runs in.

    mmengine's own set-up selects a CUDA device whatever the backend; without one, the process group is joined here, and
    mmengine finds it there.

    Args:
        config: Config to change.
        launcher: ``'none'``, ``'pytorch'``, ``'slurm'`` or ``'mpi'``.
        trains: Whether parameters are trained; a frozen model cannot be wrapped in ``DistributedDataParallel``.
    """
    config.launcher = launcher
    if launcher == 'none':
        return
    if not trains:
        config.model_wrapper_cfg = dict(type='FrozenModelWrapper')
    if launcher == 'pytorch' and not torch.cuda.is_available() and not distributed.is_initialized():
        distributed.init_process_group('gloo')


def leave() -> None:
    """Leave the process group, if any: a process that ends with its threads alive may be aborted."""
    if distributed.is_initialized():
        distributed.destroy_process_group()
