"""Arrays of jobs on a cluster, through submitit."""
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

CLUSTERS = ('slurm', 'local', 'debug')


def submit_array(jobs: Sequence[Callable[[], None]], folder: Path, cluster: str, name: str, options: Mapping) -> None:
    """Run jobs as an array, and wait for them.

    Args:
        jobs: What to run; pickled.
        folder: Where logs go.
        cluster: ``'slurm'``; ``'local'`` and ``'debug'`` run without a cluster.
        name: What the cluster calls the array.
        options: Parameters of ``submitit``, such as ``slurm_partition`` and ``timeout_min``.

    Raises:
        ValueError: ``submitit`` is not installed.
    """
    try:
        import submitit
    except ImportError:
        raise ValueError('--cluster needs submitit, which is not installed. Run `pip install "mmseg_uncertainty[slurm]"`, or '
                         'leave --cluster out to run here.') from None
    executor = submitit.AutoExecutor(folder=folder, cluster=cluster)
    executor.update_parameters(name=name, **options)
    for job in executor.submit_array(jobs) if jobs else ():
        job.result()
