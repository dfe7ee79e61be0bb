"""What may come of a run: the right result, or one line that names what is wrong; and nothing half-written either way."""
from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import cv2
import numpy as np

from .broken_files import RAN
from .case import REFUSED, SAME, Case
from .forked import Outcome
from .sound import CALLS, OUTPUTS

RIGHT, MESSAGE = 'right result', 'one-line message'
LONGEST = 1500
FEWEST_WORDS = 5
UNFINISHED = re.compile(r'partial|\.tmp$|\.temp$|^tmp|\.running$')
ONLY_A_NAME = re.compile(r'^\w*(Error|Exception|Exit): ?(.*)$', re.DOTALL)
LOGS = re.compile(r'\.log$|(^|/)vis_data/|(^|/)logs/|(^|/)run/')
Listing = Mapping[str, str]


@dataclass(frozen=True)
class Verdict:
    """What came of a case.

    Args:
        kind: :data:`RIGHT`, :data:`MESSAGE`, or ``'failure'``.
        faults: Why it is a failure.
    """

    kind: str
    faults: tuple[str, ...] = ()


def listing(folder: Path) -> Listing:
    """All files below a folder with a digest of what is in them."""
    found = {}
    for path in sorted(folder.rglob('*')):
        if path.is_file():
            found[str(path.relative_to(folder))] = hashlib.sha256(path.read_bytes()).hexdigest()
    return found


def judge(case: Case, outcome: Outcome, before: Listing, folder: Path, sound: object) -> Verdict:
    """Judge a run.

    Args:
        case: What was run.
        outcome: How it ended.
        before: The files before it.
        folder: The files after it.
        sound: The :func:`result` of the sound call.
    """
    after = listing(folder)
    faults = [*_ending(case, outcome), *_files(case, before, after, folder)]
    if outcome.code == 0:
        faults += _result(case, outcome, folder, sound)
    elif outcome.code is not None and outcome.code > 0:
        faults += [*_message(case, outcome), *_left(case, before, after)]
    return Verdict('failure' if faults else MESSAGE if outcome.code else RIGHT, tuple(faults))


def _ending(case: Case, outcome: Outcome):
    if outcome.code is None:
        yield 'did not end'
    elif outcome.code < 0:
        yield f'ended by signal {-outcome.code}'
    elif outcome.code == 0 and case.expects == REFUSED:
        yield 'was taken for right'
    elif outcome.code and case.expects == SAME:
        yield f'was refused: {outcome.message[:300]}'
    if 'Traceback (most recent call last)' in outcome.err:
        yield f'traceback, {outcome.message[:300]}'


def _message(case: Case, outcome: Outcome):
    message = outcome.message
    told = ONLY_A_NAME.match(message)
    if not message:
        yield 'no message'
    elif '\n' in message:
        yield f'{len(message.splitlines())} lines of message: {message[:300]!r}'
    elif len(message) > LONGEST:
        yield f'{len(message)} characters of message: {message[:300]}'
    elif len((told[2] if told else message).split()) < FEWEST_WORDS:
        yield f'explains nothing: {message}'
    if case.names and not any(name.lower() in message.lower() for name in case.names):
        yield f'names none of {", ".join(case.names)}: {message[:300]}'


def _files(case: Case, before: Listing, after: Listing, folder: Path):
    """Faults of files, however the run ended."""
    written = _outputs(case)
    if (folder / RAN).exists():
        yield 'ran what a file holds'
    for name in before:
        if name not in after:
            yield f'{name} is gone'
        elif after[name] != before[name] and not _below(name, written):
            yield f'{name} was changed'
    for name in after:
        if UNFINISHED.search(Path(name).name):
            yield f'{name} was left'
        elif after[name] != before.get(name) and not LOGS.search(name) and not _is_readable(folder / name):
            yield f'{name} is half-written'


def _left(case: Case, before: Listing, after: Listing):
    """Files that a refused run must not leave: all but logs, steps and whole results of single images and cells."""
    files = [name for name, is_folder in _outputs(case).items() if not is_folder]
    for name in after:
        if after[name] != before.get(name) and (name in files or not (LOGS.search(name) or _below(name, _outputs(case)))):
            yield f'{name} was left by a run that failed'


def _outputs(case: Case) -> dict[str, bool]:
    """Where a case writes, and whether that is a folder."""
    found = {}
    for option, is_folder in OUTPUTS[case.call].items():
        flag = f'--{option.replace("_", "-")}'
        if flag in case.words:
            name = str(Path(case.words[case.words.index(flag) + 1]))
            found[name] = is_folder
            if case.command == 'fit' and option == 'out':
                found[str(Path(name).with_suffix('.py'))] = False
    return found


def _below(name: str, outputs: Mapping[str, bool]) -> bool:
    return any(name == output or is_folder and name.startswith(f'{output}/') for output, is_folder in outputs.items())


def _is_readable(path: Path) -> bool:
    """Whether a file is whole, by its kind."""
    from mmseg_uncertainty.engine.checkpoints import CheckpointError, read_checkpoint
    try:
        if path.suffix == '.json':
            # Scalars of mmengine are one object a line.
            [json.loads(line) for line in path.read_text().splitlines()] if 'vis_data' in path.parts else json.loads(
                path.read_text())
        elif path.suffix in ('.png', '.jpg'):
            return cv2.imread(str(path), cv2.IMREAD_UNCHANGED) is not None
        elif path.suffix == '.npz':
            with np.load(path) as maps:
                return all(maps[name].size for name in maps)
        elif path.suffix == '.pth':
            read_checkpoint(path)
        elif path.suffix == '.py':
            compile(path.read_text(), str(path), 'exec')
        elif path.suffix == '.html':
            return path.read_text().rstrip().endswith('</html>')
        elif path.suffix == '.onnx':
            import onnx
            onnx.checker.check_model(str(path))
        elif path.suffix == '.pt':
            import torch
            torch.jit.load(str(path))
        elif path.suffix in ('.csv', '.md', '.txt'):
            return path.read_text().endswith('\n')
    except (OSError, ValueError, SyntaxError, BadZipFile, RuntimeError, CheckpointError):
        return False
    return True


def _result(case: Case, outcome: Outcome, folder: Path, sound: object):
    """Faults of what a run that ended well has written."""
    for name, is_folder in _outputs(case).items():
        if not ((folder / name).is_dir() if is_folder else (folder / name).is_file()):
            yield f'{name} is missing'
            return
    try:
        found = result(case, outcome, folder)
    except (OSError, ValueError, KeyError) as error:
        yield f'no result: {error!r}'
        return
    if not found:
        yield 'the result is empty'
    elif case.expects == SAME and sound is not None and found != sound:
        yield f'the result differs from that of {" ".join(CALLS[case.call])}'


def result(case: Case, outcome: Outcome, folder: Path) -> object:
    """What a run is for, without names, times and versions; equal where two runs found the same."""
    where = next((folder / name for name in _outputs(case)), folder)
    if case.command == 'infer':
        maps = [cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in sorted(where.rglob('labels/**/*.png'))]
        return sorted(hashlib.sha256(labels.tobytes()).hexdigest() for labels in maps)
    if case.command == 'test':
        return json.loads(where.read_text())['metrics']
    if case.command == 'report':
        return json.loads((where / 'results.json').read_text())['metrics']
    if case.command in ('fit', 'train'):
        return _digest_of(where if where.is_file() else folder / (where / 'last_checkpoint').read_text().strip())
    if case.command == 'sweep':
        cells = [json.loads(path.read_text())['metrics'] for path in sorted(where.glob('cells/**/*.json'))]
        return [(where / 'report.md').stat().st_size > 0, *cells]
    if case.command == 'app':
        return 'served: 200, True' in outcome.out
    return bool(outcome.out)


def _digest_of(checkpoint: Path) -> str:
    from mmseg_uncertainty.engine.checkpoints import read_checkpoint, state_dict_of
    state = state_dict_of(read_checkpoint(checkpoint))
    return hashlib.sha256(b''.join(key.encode() + value.numpy().tobytes() for key, value in state.items())).hexdigest()
