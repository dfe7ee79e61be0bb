"""Runs the processes of a sweep, on this machine or as jobs of a cluster."""
from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .cluster_jobs import submit_array
from .sweep_cells import FAILED, RUNNING, is_done, note, record_failure
from .sweep_plan import Cell, SweepPlan


@dataclass(frozen=True)
class GroupJob:
    """Measure what is missing of one model on one dataset in a process of its own, started again where it dies.

    Args:
        plan_file: File of the plan.
        work_dir: Folder of the sweep.
        model: Name of the model.
        dataset: Name of the dataset.
        command: Command that measures the group.
    """

    plan_file: str
    work_dir: Path
    model: str
    dataset: str
    command: Sequence[str]

    def __call__(self) -> None:
        """Start processes until every cell is measured or has failed; one that kills its process failed too."""
        plan = SweepPlan.from_file(self.plan_file)
        for cell in self._missing(plan):
            for suffix in (FAILED, RUNNING):
                note(cell, self.work_dir, suffix).unlink(missing_ok=True)
        left = self._open(plan)
        while left:
            code = run_process(self.command)
            guilty = [cell for cell in left if note(cell, self.work_dir, RUNNING).is_file()]
            for cell in guilty:
                record_failure(cell, self.work_dir, f'its process ended with {_ending(code)}')
            before, left = len(left), self._open(plan)
            if len(left) == before:
                for cell in left:
                    record_failure(cell, self.work_dir, f'its process ended with {_ending(code)} before it began')
                return

    def checkpoint(self, *_, **__):
        """What ``submitit`` queues again when a job is preempted; finished cells are not measured twice."""
        from submitit.helpers import DelayedSubmission
        return DelayedSubmission(self)

    def _missing(self, plan: SweepPlan) -> list[Cell]:
        return [cell for cell in plan.cells(self.model, self.dataset) if not is_done(plan, cell, self.work_dir)]

    def _open(self, plan: SweepPlan) -> list[Cell]:
        return [cell for cell in self._missing(plan) if not note(cell, self.work_dir, FAILED).is_file()]


def missing_jobs(plan: SweepPlan, plan_file: str, work_dir: Path, command) -> list[GroupJob]:
    """One job per model and dataset that lacks a cell, those with the fewest first.

    Args:
        plan: The sweep.
        plan_file: Its file.
        work_dir: Folder of the sweep.
        command: Function of model and dataset that gives the command of a process.
    """
    missing = {group: sum(not is_done(plan, cell, work_dir) for cell in plan.cells(*group)) for group in plan.groups()}
    groups = sorted((group for group, cells in missing.items() if cells), key=missing.get)
    return [GroupJob(plan_file, work_dir, *group, command(*group)) for group in groups]


def run_jobs(jobs: Sequence[GroupJob], work_dir: Path, cluster: str | None, options: Mapping) -> None:
    """Run jobs one after the other here, or as an array of a cluster, and wait for them.

    Args:
        jobs: What to run.
        work_dir: Folder of the sweep; logs of the cluster go to ``cluster`` below it.
        cluster: ``'slurm'``; ``'local'`` and ``'debug'`` run ``submitit`` without a cluster; ``None`` runs jobs here.
        options: Parameters of ``submitit``, such as ``slurm_partition`` and ``timeout_min``.

    Raises:
        ValueError: ``submitit`` is not installed.
    """
    if cluster is None:
        for job in jobs:
            job()
        return
    submit_array(jobs, work_dir / 'cluster', cluster, 'sweep', options)


def run_process(command: Sequence[str]) -> int:
    """Run a command to its end; returns its exit code, or minus the signal that ended it."""
    return subprocess.run(command, check=False).returncode


def _ending(code: int) -> str:
    return f'signal {-code}' if code < 0 else f'exit code {code}'
