"""Several processes, with and without accelerators."""
from __future__ import annotations

import os
import subprocess

import torch
from mmengine.config import Config
from torch import distributed

SLURM_VARIABLES = dict(RANK='SLURM_PROCID', WORLD_SIZE='SLURM_NTASKS', LOCAL_RANK='SLURM_LOCALID')
TORCHRUN_VARIABLES = ('RANK', 'WORLD_SIZE', 'MASTER_ADDR', 'MASTER_PORT')


def launch(config: Config, launcher: str, trains: bool) -> None:
    """Prepare a config for the processes it runs in.

    mmengine's own set-up selects a CUDA device whatever the backend; without one, the process group is joined here, and
    mmengine finds it there. It also hands a device to ``DistributedDataParallel``, which a CPU must not have.

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
    if torch.cuda.is_available():
        return
    if trains:
        wrapper = dict(type='MMDistributedDataParallel', broadcast_buffers=False, device_ids=None)
        config.setdefault('model_wrapper_cfg', wrapper)
    if launcher in ('pytorch', 'slurm') and not distributed.is_initialized():
        if launcher == 'slurm':
            os.environ.update(slurm_environment())
        elif missing := [name for name in TORCHRUN_VARIABLES if name not in os.environ]:
            raise ValueError(f'--launcher pytorch: {", ".join(missing)} not set. Start the command with torchrun, or leave '
                             '--launcher out for one process.')
        distributed.init_process_group('gloo')


def slurm_environment() -> dict[str, str]:
    """Variables that PyTorch reads, from those that ``srun`` sets; what is set already stays.

    Raises:
        ValueError: The process was not started by ``srun``.
    """
    missing = [name for name in SLURM_VARIABLES.values() if name not in os.environ]
    if missing:
        raise ValueError(f'--launcher slurm: {", ".join(missing)} not set. Start the tool with srun, or choose '
                         '--launcher pytorch under torchrun.')
    found = {name: os.environ[source] for name, source in SLURM_VARIABLES.items()} | dict(MASTER_PORT='29500')
    if 'MASTER_ADDR' not in os.environ:
        command = ['scontrol', 'show', 'hostnames', os.environ['SLURM_NODELIST']]
        found['MASTER_ADDR'] = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[0]
    return found | {name: os.environ[name] for name in ('MASTER_ADDR', 'MASTER_PORT') if name in os.environ}


def leave() -> None:
    """Leave the process group, if any: a process that ends with its threads alive may be aborted."""
    if distributed.is_initialized():
        distributed.destroy_process_group()
