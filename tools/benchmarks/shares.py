"""Where the time of train, fit, test, infer and sweep goes that is not the base model, on CamVid."""
from __future__ import annotations

import argparse
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import mmseg_uncertainty.registered  # noqa: F401  (connects the host before configs are read)
import numpy as np
from PIL import Image
from mmengine.evaluator import Evaluator
from mmengine.optim import OptimWrapper
from mmengine.runner import IterBasedTrainLoop, TestLoop
from side_by_side import row, run_benchmark
from torch.utils.data.dataloader import _BaseDataLoaderIter

from mmseg_uncertainty.apis import UncertaintyInferencer
from mmseg_uncertainty.cli.commands import call
from mmseg_uncertainty.engine.loops import CalibrationLoop
from mmseg_uncertainty.models import PosthocSegmentor
from mmseg_uncertainty.models.bases import FrozenBase
from mmseg_uncertainty.runtime.freed_memory import keep_freed_memory
from mmseg_uncertainty.runtime.prediction_writer import PredictionWriter

ROOT = Path(__file__).resolve().parents[2]
NETWORKS = {'SegFormer-B0': 'segformer/segformer_b0_camvid', 'DeepLabV3+': 'deeplabv3plus/deeplabv3plus_mnv2_camvid'}
TEN_HEADS = ('msp', 'entropy', 'energy', 'max_logit', 'margin', 'gen', 'kl_matching', 'react', 'scale', 'fdbd')
EVALUATORS = ('mIoU', 'mFscore', 'macroF1', 'IDM', 'oIoU', 'ECE')
TEST_IMAGES, VOID_CLASS = 233, 11
CORRUPTIONS = ('gaussian_noise', 'motion_blur')
# Which part of the work a function belongs to; what it calls may belong to another.
BASE, HEADS, EVALUATION, FILES, LEARNING, DATA, WAITING, LOOP = (
    'base model', 'heads, calibrators, sets and fits', 'evaluators', 'pictures and files', 'learning', 'taking data',
    'waiting for data', 'loop')
PLACES = [
    (FrozenBase, 'forward', BASE), (PosthocSegmentor, 'predict', HEADS), (PosthocSegmentor, 'loss', HEADS),
    (CalibrationLoop, 'run', HEADS), (OptimWrapper, 'update_params', LEARNING), (Evaluator, 'process', EVALUATION),
    (Evaluator, 'evaluate', EVALUATION), (PredictionWriter, 'add', FILES), (PredictionWriter, 'finish', FILES),
    (_BaseDataLoaderIter, '__next__', DATA), (UncertaintyInferencer, '_network_input', DATA), (TestLoop, 'run', LOOP),
    (IterBasedTrainLoop, 'run', LOOP), (UncertaintyInferencer, '__call__', LOOP)]


class Ledger:
    """Processor time by part; a part is not charged for the parts that it calls, and what lies outside all is not counted."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()
        self._open: list[str] = []
        self._since = 0.

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Charge a part within the block; what passes while it takes data and computes nothing is waiting."""
        self._charge()
        self._open.append(name)
        clock, busy = time.perf_counter(), time.process_time()
        try:
            yield
        finally:
            self._charge()
            self._open.pop()
            if name == DATA:
                self.seconds[WAITING] += max(time.perf_counter() - clock - (time.process_time() - busy), 0.)

    def watched(self, function: Callable, name: str) -> Callable:
        """The function, charged to a part."""

        @wraps(function)
        def charged(*arguments: Any, **options: Any) -> Any:
            with self.part(name):
                return function(*arguments, **options)

        return charged

    def _charge(self) -> None:
        now = time.process_time()
        if self._open:
            self.seconds[self._open[-1]] += now - self._since
        self._since = now


def measured(command: str, *words: object) -> Counter[str]:
    """Seconds by part of a command that runs in this process."""
    ledger = Ledger()
    with ExitStack() as stack:
        for owner, name, part in PLACES:
            stack.enter_context(patch.object(owner, name, ledger.watched(getattr(owner, name), part)))
        call(command, [str(word) for word in words])
    return ledger.seconds


def rows(args: argparse.Namespace) -> Iterator[dict]:
    """Share of each part in the work of each command."""
    keep_freed_memory()
    images = 8 if args.quick else 20
    # One folder for all, since the visualizer of mmengine outlives a run and its folder.
    with TemporaryDirectory() as folder:
        for title, name in NETWORKS.items():
            (Path(folder) / title).mkdir()
            for command, bound, seconds in commands(name, images, Path(folder) / title):
                yield from shares(f'{title}: {command}', seconds, bound, images)


def shares(title: str, seconds: Counter[str], bound: float | None, images: int) -> Iterator[dict]:
    """The share of all that is not the base model, and of each part of it that is more than a percent."""
    whole = sum(seconds.values())
    others = Counter({part: value for part, value in seconds.items() if part != BASE})
    parts = ', '.join(f'{part} {100 * value / whole:.1f}' for part, value in others.most_common() if value > 0.01 * whole)
    yield row(title, 100 * sum(others.values()) / whole, bound and 100 * bound, '%',
              f'{images} images, {whole:.1f} s without the start; {parts or "nothing else above 1 %"}')


def commands(name: str, images: int, folder: Path) -> Iterator[tuple[str, float | None, Counter[str]]]:
    """Name, bound of the share and seconds of each command."""
    config, weights = ROOT / f'local_configs/{name}', ROOT / f'checkpoints/{Path(name).name}.pth'
    learned = f'train_dataloader.dataset.indices={images}'
    for kind, text in (('TS', 'temperature'), ('CRC', 'sets'), ('DETECTORS', '13 detectors')):
        yield f'train, {text} by statistics', 0.05, measured(
            'train', f'{config}_{kind}.py', '--load-from', weights, '--work-dir', folder / kind, '--cfg-options', learned)
    yield 'train, 10 iterations of FED-C', None, measured(
        'train', f'{config}_FEDC.py', '--load-from', weights, '--work-dir', folder / 'FEDC', '--cfg-options',
        'train_cfg.max_iters=10')
    pictures = own_folders(folder, images)
    yield 'fit, temperature and sets', 0.05, measured(
        'fit', weights.stem, '--images', pictures[0], '--labels', pictures[1], '--add', 'temperature', 'crc', '--out',
        folder / 'fitted.pth', '--work-dir', folder / 'fit')
    yield 'test, ten heads and all evaluators', 0.1, measured(
        'test', f'{config}_DETECTORS.py', folder / 'DETECTORS/calibrated.pth', '--heads', *TEN_HEADS, '--eval', *EVALUATORS,
        '--work-dir', folder / 'test', '--allow-overlap', '--cfg-options',
        f'test_dataloader.dataset.indices=[{",".join(map(str, range(0, TEST_IMAGES, TEST_IMAGES // images)))}]')
    yield 'infer, with pictures', None, measured('infer', pictures[0], weights.stem, '--out', folder / 'out', '--device', 'cpu')
    plan = folder / 'plan.json'
    plan.write_text(json.dumps(sweep_plan(config, weights, images)), encoding='utf-8')
    yield 'sweep, two corruptions', None, measured(
        'sweep', plan, '--work-dir', folder / 'sweep', '--group', 'model', 'camvid')


def own_folders(folder: Path, images: int) -> tuple[Path, Path]:
    """Images and labels of CamVid as ``fit`` takes those of a user, with 255 for void."""
    pictures, labels = folder / 'images', folder / 'labels'
    pictures.mkdir()
    labels.mkdir()
    for file in sorted((ROOT / 'data/camvid/train').iterdir())[:images]:
        (pictures / file.name).symlink_to(file)
        label = next((ROOT / 'data/camvid/trainannot').glob(f'{file.stem}.*'))
        values = np.asarray(Image.open(label))
        Image.fromarray(np.where(values == VOID_CLASS, 255, values).astype(np.uint8)).save(labels / f'{file.stem}.png')
    return pictures, labels


def sweep_plan(config: Path, weights: Path, images: int) -> dict:
    """A plan of one model on clean and on corrupted images."""
    return dict(models=dict(model=dict(config=f'{config}_SCORES.py', checkpoint=str(weights))),
                datasets=dict(camvid=dict(every=TEST_IMAGES // images)), corruptions=list(CORRUPTIONS), severities=[3],
                evaluators=['mIoU', 'IDM', 'ECE'])


if __name__ == '__main__':
    run_benchmark(__doc__, rows)
