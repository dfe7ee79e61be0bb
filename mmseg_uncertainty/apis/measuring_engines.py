"""Measures parts of a collection here, as jobs of a cluster through submitit, or on Ray."""
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from tqdm.auto import tqdm

from .cluster_jobs import submit_array
from .measured_images import ImageMeasurer, Part

RAY = 'ray'
# The same model for all parts that one process measures.
measurer = lru_cache(maxsize=1)(ImageMeasurer)


@dataclass(frozen=True)
class PartsJob:
    """Measure parts one after the other, leaving out those that are there.

    Args:
        model: Arguments of :class:`~mmseg_uncertainty.apis.measured_images.ImageMeasurer`.
        parts: What to measure.
    """

    model: tuple
    parts: tuple[Part, ...]

    def __call__(self) -> None:
        """Measure."""
        for part in self.parts:
            if not part.path.is_file():
                part.save(measurer(*self.model)(part.sources).to_bytes())

    def checkpoint(self, *_, **__):
        """What ``submitit`` queues again when a job is preempted; parts that are there are not measured twice."""
        from submitit.helpers import DelayedSubmission
        return DelayedSubmission(self)


class RayActor:
    """A process of Ray that holds the model; what it measures goes back to who asked, so that results need no common disk.

    Args:
        model: Arguments of :class:`~mmseg_uncertainty.apis.measured_images.ImageMeasurer`.
        parts: All parts.
    """

    def __init__(self, model: tuple, parts: Sequence[Part]) -> None:
        import mmseg_uncertainty.registered  # noqa: F401  (a process of its own connects the host itself)
        self.measurer, self.parts = ImageMeasurer(*model), parts

    def __call__(self, row: dict) -> dict:
        """Measure the part whose number a row holds."""
        part = int(row['part'])
        return dict(part=part, content=self.measurer(self.parts[part].sources).to_bytes())


def measure_parts(model: tuple, parts: Sequence[Part], engine: str | None, workers: int, options: Mapping,
                  log_dir: Path) -> None:
    """Measure parts and keep each in its file.

    Args:
        model: Arguments of :class:`~mmseg_uncertainty.apis.measured_images.ImageMeasurer`.
        parts: What to measure.
        engine: ``'ray'``, a cluster of ``submitit``, or ``None`` to run here.
        workers: Jobs of an array, or processes of Ray.
        options: Parameters of ``submitit``, or resources of a process of Ray, such as ``num_gpus``.
        log_dir: Where ``submitit`` writes its logs.

    Raises:
        ValueError: The engine is not installed.
    """
    if engine is None:
        for part in tqdm(parts, desc='measure', unit='part', disable=not parts):
            PartsJob(model, (part, ))()
    elif engine == RAY:
        for part, content in tqdm(_on_ray(model, parts, workers, options), desc='measure', unit='part', total=len(parts)):
            part.save(content)
    else:
        workers = min(workers, len(parts))
        jobs = [PartsJob(model, tuple(parts[start::workers])) for start in range(workers)]
        submit_array(jobs, log_dir, engine, 'rank', options)


def _on_ray(model: tuple, parts: Sequence[Part], workers: int, options: Mapping) -> Iterator[tuple[Part, bytes]]:
    try:
        import ray
        import ray.data
    except ImportError:
        raise ValueError('--cluster ray needs Ray, which is not installed. Run `pip install "mmseg_uncertainty[ray]"`, or leave '
                         '--cluster out to run here.') from None
    if not parts:
        return
    if not ray.is_initialized():
        ray.init(log_to_driver=False)
    rows = ray.data.from_items([dict(part=index) for index in range(len(parts))], override_num_blocks=len(parts))
    measured = rows.map(RayActor, fn_constructor_args=(model, tuple(parts)), concurrency=min(workers, len(parts)), **options)
    for row in measured.iter_rows():
        yield parts[row['part']], row['content']
