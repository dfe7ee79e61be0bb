"""Loads a service with many clients, broken inputs, a kill and a restart, and counts what is lost."""
from __future__ import annotations

import argparse
import http.client
import io
import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image
from side_by_side import row, run_benchmark

import mmseg_uncertainty.registered  # noqa: F401  (connects the host before configs are read)
from mmseg_uncertainty.apis import load_posthoc
from mmseg_uncertainty.apis.exported_segmentor import ExportedSegmentor
from mmseg_uncertainty.apis.model_index import resolve_model
from mmseg_uncertainty.apis.onnx_export import export_onnx
from mmseg_uncertainty.runtime.onnx_segmentor import OnnxSegmentor

MODEL = 'segformer_b0_camvid'
CLIENTS, BROKEN_EVERY, IMAGES = 16, 20, 8
SIZES = ((96, 128), (120, 160))
# Shares of the requests after which the service is killed, and ended by SIGTERM; the rest shows how its memory grows.
KILL_AT, TERMINATE_AT, SETTLED_AT = 0.1, 0.2, 0.4
ALLOWED_GROWTH = 32.
# A machine that does other work meanwhile may stop for minutes.
PATIENCE = 900.


@dataclass(frozen=True)
class Job:
    """A request and what its answer must be.

    Args:
        path: Path and query.
        body: What is sent.
        status: The status of the right answer.
        labels: The right label map, ``None`` for a broken input.
        headers: More headers.
    """

    path: str
    body: bytes
    status: int
    labels: np.ndarray | None = None
    headers: dict[str, str] = field(default_factory=dict)


class Service:
    """``mmseg-uncertainty serve`` in a process of its own, which can be killed and started again at the same port."""

    def __init__(self, *words: str, threads: int = 1) -> None:
        self.words, self.port = words, 0
        self.environment = os.environ | {'OMP_NUM_THREADS': str(threads)}
        self.start()

    def start(self) -> None:
        """Start, and wait until it listens."""
        command = [sys.executable, '-m', 'mmseg_uncertainty', 'serve', *self.words, '--port', str(self.port)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=self.environment)
        told = next((line for line in self.process.stdout if line.startswith('Serving on')), None)
        if told is None:
            raise RuntimeError(f'The service ended with {self.process.wait()} before it listened.')
        self.port = int(told.split()[2].rpartition(':')[2])

    def restart(self, how: signal.Signals) -> None:
        """End the process in this way, and start another."""
        self.end(how)
        self.start()

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End the process."""
        self.process.send_signal(how)
        self.process.wait()
        self.process.stdout.close()

    def ask(self, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> tuple[int, bytes]:
        """Status and whole body of an answer; raises ``OSError`` or ``HTTPException`` where there is none."""
        connection = http.client.HTTPConnection('127.0.0.1', self.port, timeout=PATIENCE)
        try:
            connection.request('GET' if body is None else 'POST', path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def megabytes(self) -> float:
        """Resident memory, as the service itself tells Prometheus."""
        lines = self.ask('/metrics')[1].decode().splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith('process_resident_memory_bytes')) / 1e6


class Load:
    """Sends every job until it is answered, from several clients at once, and compares the answers.

    Args:
        service: Where to.
        jobs: What to send.
        actions: What to do once so many jobs are answered.
    """

    def __init__(self, service: Service, jobs: Sequence[Job], actions: dict[int, object]) -> None:
        self.service, self.jobs, self.actions = service, jobs, dict(actions)
        self.seconds: list[float] = []
        self.counts, self.statuses = Counter(), Counter()
        self._lock, self._answered = threading.Lock(), 0
        self._due = threading.Semaphore(0)

    def run(self, clients: int) -> float:
        """Send all; returns seconds."""
        start = time.perf_counter()
        with ThreadPoolExecutor(clients + 1) as pool:
            acting = pool.submit(self._act)
            list(pool.map(self._send, self.jobs))
            acting.result()
        return time.perf_counter() - start

    def _act(self) -> None:
        for place in sorted(self.actions):
            while self._answered < place:
                self._due.acquire()
            self.actions[place]()

    def _send(self, job: Job) -> None:
        start = time.perf_counter()
        while time.perf_counter() - start < PATIENCE:
            try:
                status, body = self.service.ask(job.path, job.body, job.headers)
            except (OSError, http.client.HTTPException):
                self._count('sent again: no answer')
                time.sleep(0.1)
                continue
            if status == 503:
                self._count('sent again: told to come back')
                time.sleep(0.2)
                continue
            self._judge(job, status, body)
            self.seconds.append(time.perf_counter() - start)
            break
        else:
            self._count('lost')
        with self._lock:
            self._answered += 1
        self._due.release()

    def _judge(self, job: Job, status: int, body: bytes) -> None:
        right = status == job.status and (fits(job, body) if job.labels is not None else 'detail' in json.loads(body))
        self.statuses[status] += 1
        self._count('right' if right else 'wrong')

    def _count(self, what: str) -> None:
        with self._lock:
            self.counts[what] += 1


def fits(job: Job, body: bytes) -> bool:
    """Whether an answer is whole and has the labels of its image; those at ties may differ, as batches round otherwise."""
    if 'format=npz' in job.path:
        with np.load(io.BytesIO(body)) as arrays:
            labels = arrays['labels']
    elif 'format=png' in job.path:
        labels = np.asarray(Image.open(io.BytesIO(body)))
    else:
        answer = json.loads(body)
        areas = sum(area['pixels'] for area in answer['classes'].values())
        return (answer['height'], answer['width']) == job.labels.shape and areas == job.labels.size
    return labels.shape == job.labels.shape and (labels == job.labels).mean() > 0.999


def png(image: np.ndarray) -> bytes:
    """The bytes of a PNG file."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, 'PNG')
    return file.getvalue()


def broken_jobs(whole: bytes) -> list[Job]:
    """One of each kind of broken input, with the status it deserves."""
    bomb = png(np.zeros((5000, 5000), np.uint8))
    form = {'Content-Type': 'multipart/form-data; boundary=x'}
    return [Job('/predict', b'', 400), Job('/predict', b'no image', 415), Job('/predict', whole[:len(whole) // 2], 422),
            Job('/predict', bomb, 413), Job('/predict', bytes(30_000_000), 413), Job('/predict', whole, 415, headers=form),
            Job('/predict?format=png&map=nothing', whole, 422), Job('/predict?format=gif', whole, 422)]


def mixed_jobs(images: Sequence[np.ndarray], labels: Sequence[np.ndarray], count: int) -> list[Job]:
    """Images in all formats, one in twenty broken."""
    files = [png(image) for image in images]
    broken, kinds = broken_jobs(files[0]), ('json', 'png', 'npz')
    return [broken[index // BROKEN_EVERY % len(broken)] if index % BROKEN_EVERY == BROKEN_EVERY - 1 else
            Job(f'/predict?format={kinds[index % len(kinds)]}', files[index % len(files)], 200, labels[index % len(files)])
            for index in range(count)]


def street_images(count: int) -> list[np.ndarray]:
    """Noise over stripes, RGB, of two sizes."""
    random = np.random.default_rng(0)
    return [(np.linspace(0, 200, size[0])[:, None, None] + random.integers(0, 56, (*size, 3))).astype(np.uint8)
            for size, _ in zip(SIZES * count, range(count))]


def rows(args: argparse.Namespace) -> Iterator[dict]:
    """Load a service of an exported model, then predict as many images in this process."""
    with TemporaryDirectory() as folder:
        file = export_onnx(ExportedSegmentor(load_posthoc(*resolve_model(MODEL, None))), Path(folder) / 'model.onnx')
        yield from loaded(args, file)


def loaded(args: argparse.Namespace, file: Path) -> Iterator[dict]:
    """Rows of a file."""
    images = street_images(IMAGES)
    segmentor = OnnxSegmentor(file, threads=args.threads, show_progress=False)
    labels = [segmentor.predict(image[..., ::-1]).labels for image in images]
    jobs = mixed_jobs(images, labels, 100 if args.quick else 1000)
    service, memory = Service(str(file), threads=args.threads), {}
    try:
        actions = {int(KILL_AT * len(jobs)): lambda: service.restart(signal.SIGKILL),
                   int(TERMINATE_AT * len(jobs)): lambda: service.restart(signal.SIGTERM),
                   int(SETTLED_AT * len(jobs)): lambda: memory.update(settled=service.megabytes())}
        load = Load(service, jobs, actions)
        load.run(CLIENTS)
        memory['end'] = service.megabytes()
        whole = [job for job in jobs if job.labels is not None][:40 if args.quick else 300]
        served = Load(service, whole, {}).run(CLIENTS)
    finally:
        service.end()
    how = f'{CLIENTS} clients, {len(jobs)} requests, one in {BROKEN_EVERY} broken; killed and ended by SIGTERM while they went'
    again = {key: number for key, number in load.counts.items() if key.startswith('sent again')}
    yield row('requests answered rightly', load.counts['right'], len(jobs), 'requests', how)
    yield row('requests lost', load.counts['lost'], 0, 'requests', f'{again or "none sent again"}', math.nan)
    statuses = f'by status: {dict(sorted(load.statuses.items()))}'
    yield row('answers half-written or wrong', load.counts['wrong'], 0, 'requests', statuses, math.nan)
    yield row('memory from 40 % of the requests to the last', memory['end'] - memory['settled'], ALLOWED_GROWTH, 'MB',
              f'resident, {memory["end"]:.0f} MB at the end; the bound as peer')
    for name, share in (('median', 50), ('99th percentile', 99)):
        yield row(f'time of a request, {name}', float(np.percentile(load.seconds, share)), None, 's',
                  'with those that waited for a restart')
    start = time.perf_counter()
    for index in range(len(whole)):
        segmentor.predict(images[index % IMAGES][..., ::-1])
    alone = time.perf_counter() - start
    yield row('images per second', len(whole) / served, len(whole) / alone, 'images/s',
              'whole requests; the peer is the exported model alone in a loop', alone / served)
    if load.counts['lost'] or load.counts['wrong']:
        sys.exit(f'{load.counts["lost"]} requests were lost and {load.counts["wrong"]} answered wrongly.')


if __name__ == '__main__':
    run_benchmark(__doc__, rows)
