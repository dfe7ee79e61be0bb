"""Processor time from the start of a process to its result, beside programs that use the base model alone."""
from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from PIL import Image
from mmengine.config import Config
from side_by_side import row, run_benchmark

from mmseg_uncertainty.apis import load_config, type_name
from mmseg_uncertainty.apis.run_config import test_pipeline
from mmseg_uncertainty.apis.uncertainty_inferencer import LOADING
from mmseg_uncertainty.cli.commands import COMMANDS

ROOT = Path(__file__).resolve().parents[2]
NAME = 'segformer_b0_camvid'
IMPORT_BOUND, HELP_BOUND = 0.2, 0.5
BARE_MMSEG = '''
import sys, cv2
from mmseg.apis import inference_model, init_model
model = init_model(sys.argv[1], sys.argv[2], device='cpu')
cv2.imwrite(sys.argv[4], inference_model(model, sys.argv[3]).pred_sem_seg.data[0].numpy())
'''
NETWORK = {
    'transformers': '''
import torch
from transformers import SegformerConfig, SegformerForSemanticSegmentation
net = SegformerForSemanticSegmentation(SegformerConfig(num_labels=11)).eval()
''',
    'torchvision': '''
import torch
from torchvision.models.segmentation import lraspp_mobilenet_v3_large
net = lraspp_mobilenet_v3_large(weights=None, weights_backbone=None, num_classes=11).eval()
'''}
# `make extras` puts torchvision beside the environment, where its operators, which no segmentation network calls, do not load.
BESIDE = Path(sys.prefix) / 'torchvision'
WITHOUT_OPERATORS = f'''
import sys, torch
sys.path.append({str(BESIDE)!r})
library = torch.library.Library('torchvision', 'DEF')
for name in ('nms', 'qnms'):
    library.define(name + '(Tensor boxes, Tensor scores, float threshold) -> Tensor')
'''
BARE_NETWORK = 'with torch.no_grad(): net(torch.zeros(1, 3, 128, 160))'
WRAPPED = '''
import mmseg_uncertainty
model = mmseg_uncertainty.wrap(net, classes=list('abcdefghijk'), heads=['msp', 'energy', 'entropy', 'margin'])
model.predict(torch.zeros(1, 3, 128, 160))
'''


def processor_seconds(words: Sequence[str]) -> float:
    """Processor time of a process on one thread."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, '-W', 'ignore', *words], cwd=ROOT, env=os.environ | {'OMP_NUM_THREADS': '1'},
                          capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f'{words} ended with {done.returncode}: {done.stderr[-2000:]}')
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def least_in_turns(programs: Mapping[str, Sequence[str]], rounds: int) -> dict[str, float]:
    """Least processor time of each program; they take turns, so that what else runs meets all alike."""
    taken = [{name: processor_seconds(words) for name, words in programs.items()} for _ in range(rounds)]
    return {name: min(times[name] for times in taken) for name in programs}


def rows(args: argparse.Namespace) -> Iterator[dict]:
    """Import, help, one image, and one image of the networks of other libraries."""
    rounds = 1 if args.quick else 5
    python = least_in_turns({'empty': ['-c', ''], 'import': ['-c', 'import mmseg_uncertainty']}, 3 * rounds)
    yield row('import mmseg_uncertainty', python['import'] - python['empty'], IMPORT_BOUND, 's',
              'beyond an empty program; the bound as peer')
    commands = ['infer', 'fit'] if args.quick else list(COMMANDS)
    helps = least_in_turns({name: ['-m', 'mmseg_uncertainty', name, '--help'] for name in commands}, rounds)
    slowest = max(helps, key=helps.get)
    yield row('--help of the slowest command', helps[slowest], HELP_BOUND, 's', f'{slowest} of {len(commands)}; the bound as peer')
    with TemporaryDirectory() as folder:
        yield from one_image(Path(folder), rounds)
    for library, network in NETWORK.items():
        if find_spec(library) is None and (BESIDE / library).is_dir():
            network = WITHOUT_OPERATORS + network
        elif find_spec(library) is None:
            continue
        times = least_in_turns({'bare': ['-c', network + BARE_NETWORK], 'ours': ['-c', network + WRAPPED]}, rounds)
        yield row(f'network of {library}, wrapped', times['ours'], times['bare'], 's',
                  'four scores; the peer is the network alone', times['ours'] / times['bare'])


def one_image(folder: Path, rounds: int) -> Iterator[dict]:
    """``infer`` of an image, with all its files and pictures, and bare mmseg writing the label map."""
    image = folder / 'street.png'
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (360, 480, 3), np.uint8)).save(image)
    base = [write_base(folder), f'checkpoints/{NAME}.pth']
    times = least_in_turns({'bare': ['-c', BARE_MMSEG, *base, str(image), str(folder / 'labels.png')],
                            'ours': ['-m', 'mmseg_uncertainty', 'infer', str(image), NAME, '--out', str(folder / 'out'),
                                     '--device', 'cpu']}, rounds)
    yield row('infer of one image', times['ours'], times['bare'], 's',
              f'{NAME}, 480×360, scores, pictures and figure; the peer is bare mmseg and its label map',
              times['ours'] / times['bare'])


def write_base(folder: Path) -> str:
    """A config of the base model and its test pipeline, which bare mmseg can read."""
    config = load_config(ROOT / f'local_configs/segformer/{NAME}_BASE.py')
    steps = [dict(step) for step in test_pipeline(config) if type_name(step['type']) not in LOADING]
    file = folder / 'base.py'
    Config(dict(default_scope='mmseg', model=config.model, test_pipeline=[dict(type='LoadImageFromFile'), *steps])).dump(file)
    return str(file)


if __name__ == '__main__':
    run_benchmark(__doc__, rows)
