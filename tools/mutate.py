"""Change single lines of the code, run the tests that belong to them, and say which changes no test notices.

The tests of each module are run on the unchanged text first: a test that fails anyway kills nothing.

A mutant that survives is a promise nobody checks, or a change that means nothing; the latter are listed with their reason in
tests/equivalent_mutants.json and do not count.
"""
from __future__ import annotations

import argparse
import ast
import json
import os
import random
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

from tqdm.auto import tqdm

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = 'mmseg_uncertainty'
# Holds what mmcv's operators registered, which cannot be registered twice.
REGISTERED_ONCE = f'{PACKAGE}.operators'
PRELOADED = ['pytest', 'hypothesis', 'torch', 'scipy.stats', 'sklearn.metrics', 'sklearn.cluster', 'matplotlib.pyplot', 'cv2',
             'numba', 'FrEIA.framework', 'mmengine.runner', f'{PACKAGE}.connected']
FOLDERS = ('functional', 'models', 'evaluation', 'engine/loops', 'structures')
UNCHANGED = 'unchanged'
EQUIVALENT = ROOT / 'tests/equivalent_mutants.json'
COMPARISONS = {ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
               ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In}
OPERATORS = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
             ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.LShift: ast.RShift, ast.RShift: ast.LShift}
NAMES = {'min': 'max', 'max': 'min', 'amin': 'amax', 'amax': 'amin', 'minimum': 'maximum', 'maximum': 'minimum', 'sum': 'mean',
         'mean': 'sum', 'argmax': 'argmin', 'argmin': 'argmax', 'floor': 'ceil', 'ceil': 'floor', 'any': 'all', 'all': 'any',
         'clamp_min': 'clamp_max', 'left': 'right', 'right': 'left'}


@dataclass(frozen=True)
class Mutant:
    """One change of one file.

    Args:
        path: The file, below the repository.
        line: Number of the changed line.
        before: The line before.
        after: The line after; with ``before`` and ``path`` it identifies the mutant as long as the code stays.
        text: The whole file after the change.
    """

    path: str
    line: int
    before: str
    after: str
    text: str

    @property
    def name(self) -> str:
        """What identifies it."""
        return f'{self.path}: `{self.before}` -> `{self.after}`'


def mutants(path: Path) -> Iterator[Mutant]:
    """All changes of a file; docstrings, messages and types are left alone."""
    source = path.read_text(encoding='utf-8')
    lines = source.splitlines(keepends=True)
    for node in _code(ast.parse(source)):
        for changed in _changes(node):
            before, after = ast.get_source_segment(source, node), ast.unparse(changed)
            if before is None or node.lineno != node.end_lineno or before == after:
                continue
            line = lines[node.lineno - 1].encode()
            new = (line[:node.col_offset] + b'(' * (not isinstance(node, ast.Attribute)) + after.encode()
                   + b')' * (not isinstance(node, ast.Attribute)) + line[node.end_col_offset:]).decode()
            text = ''.join([*lines[:node.lineno - 1], new, *lines[node.lineno:]])
            yield Mutant(str(path.relative_to(ROOT)), node.lineno, lines[node.lineno - 1].strip(), new.strip(), text)


def _code(tree: ast.AST) -> Iterator[ast.AST]:
    """Expressions that compute something, depth first; not what only speaks: strings, annotations, raised errors, logs."""
    spoken = [getattr(tree, name, None) for name in ('returns', 'annotation')] + list(getattr(tree, 'decorator_list', ()))
    for child in ast.iter_child_nodes(tree):
        if child in spoken or isinstance(child, (ast.Raise, ast.JoinedStr, ast.arg, ast.Import, ast.ImportFrom)):
            continue
        if isinstance(child, ast.Call) and getattr(child.func, 'id', getattr(child.func, 'attr', '')) in (
                'print_log', 'warn', 'warning', 'info', 'MethodInfo', 'ScoreScale'):
            continue
        yield child
        yield from _code(child)


def _changes(node: ast.AST) -> Iterator[ast.AST]:
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and type(node.ops[0]) in COMPARISONS:
        yield ast.Compare(node.left, [COMPARISONS[type(node.ops[0])]()], node.comparators)
    elif isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        yield ast.BinOp(node.left, OPERATORS[type(node.op)](), node.right)
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.Not, ast.Invert)):
        yield node.operand
    elif isinstance(node, ast.BoolOp):
        yield ast.BoolOp(ast.Or() if isinstance(node.op, ast.And) else ast.And(), node.values)
    elif isinstance(node, ast.Constant) and type(node.value) in (int, float, bool):
        yield ast.Constant(not node.value if isinstance(node.value, bool) else node.value + 1)
    elif isinstance(node, ast.Attribute) and node.attr in NAMES and isinstance(node.ctx, ast.Load):
        yield ast.Attribute(node.value, NAMES[node.attr], node.ctx)
    elif isinstance(node, ast.Name) and node.id in NAMES and isinstance(node.ctx, ast.Load):
        yield ast.Name(NAMES[node.id], node.ctx)


@lru_cache(maxsize=None)
def tests_of(path: str, without: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """Test files that belong to a module, nearest first: those named after it, those beside these that name what it defines.
    Without any of them the others that do; without these the tests of the modules that use it; those of whole commands last."""
    stem, parts = Path(path).stem, Path(path).relative_to(PACKAGE).parts[:-1]
    names = _names_of(path)
    found = {0: [], 1: [], 2: [], 3: []}
    for test, text in _test_files():
        if test.stem == f'test_{stem}':
            rank = 0
        elif not names.search(text):
            continue
        elif test.parts[1] in ('test_tools', 'test_cli', 'test_app'):
            rank = 3
        else:
            rank = 1 if all(f'test_{part}' in test.parts for part in parts) else 2
        found[rank].append(str(test))
    if near := found[0] + found[1] or found[2]:
        return tuple(near)
    users = [user for user in _users(path) if user not in without]
    return tuple(dict.fromkeys(test for user in users for test in tests_of(user, without | {path})) or found[3])


def _names_of(path: str) -> re.Pattern:
    """What names a module in the text of another: its dotted name and what it defines for others."""
    nodes = ast.parse((ROOT / path).read_text(encoding='utf-8')).body
    names = [node.name for node in nodes if isinstance(node, (ast.ClassDef, ast.FunctionDef)) and node.name[0] != '_']
    return re.compile(r'\b(' + '|'.join(map(re.escape, [path.removesuffix('.py').replace('/', '.'), *names])) + r')\b')


def _users(path: str) -> list[str]:
    """Other modules that use this one."""
    names = _names_of(path)
    modules = [module for module in sorted((ROOT / PACKAGE).rglob('*.py')) if module.name != '__init__.py']
    found = [str(module.relative_to(ROOT)) for module in modules if names.search(module.read_text(encoding='utf-8'))]
    return [name for name in found if name != path]


@lru_cache(maxsize=1)
def _test_files() -> list[tuple[Path, str]]:
    return [(test.relative_to(ROOT), test.read_text(encoding='utf-8')) for test in sorted((ROOT / 'tests').rglob('test_*.py'))]


def survives(mutant: Mutant, timeout: float) -> bool:
    """Whether all tests of the mutated module pass."""
    tests = tests_of(mutant.path)
    if not tests:
        return True
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        shutil.copytree(ROOT / PACKAGE, work / PACKAGE, ignore=shutil.ignore_patterns('__pycache__'))
        for name in ('tests', 'tools', 'local_configs', 'checkpoints', 'docs', 'pytest.ini', 'model-index.yml', 'data'):
            if (ROOT / name).exists():
                os.symlink((ROOT / name).resolve(), work / name)
        (work / mutant.path).write_text(mutant.text, encoding='utf-8')
        process = _server().Process(target=run_tests, args=(folder, tests))
        process.start()
        process.join(timeout)
        if process.is_alive():
            os.killpg(process.pid, signal.SIGKILL)
            process.join()
        return process.exitcode == 0


@lru_cache(maxsize=1)
def _server():
    """Makes processes that have imported already what takes seconds and is not mutated."""
    server = get_context('forkserver')
    server.set_forkserver_preload(PRELOADED)
    return server


def run_tests(folder: str, tests: tuple[str, ...]) -> None:
    """Run tests on the code in a folder, and leave the process with pytest's status."""
    os.setsid()
    os.chdir(folder)
    silence = os.open(os.devnull, os.O_RDWR)
    for stream in range(3):
        os.dup2(silence, stream)
    os.environ.update(PYTHONPATH=folder, OMP_NUM_THREADS='1', PYTHONDONTWRITEBYTECODE='1')
    sys.path.insert(0, folder)
    for name in [name for name in sys.modules if name.partition('.')[0] == PACKAGE and name != REGISTERED_ONCE]:
        del sys.modules[name]
    import pytest
    os._exit(pytest.main(['-x', '-q', '-p', 'no:cacheprovider', f'--rootdir={folder}', *(f'{folder}/{test}' for test in tests)]))


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--only', nargs='+', default=[], metavar='WORD', help='modules with one of these words in their path')
    parser.add_argument('--per-module', type=int, default=5, metavar='N', help='most mutants of one module, drawn at random')
    parser.add_argument('--seed', type=int, default=0, help='seed of the draw')
    parser.add_argument('--jobs', type=int, default=2, metavar='N', help='mutants at the same time')
    parser.add_argument('--timeout', type=float, default=900., metavar='SECONDS', help='a mutant that runs longer is killed')
    parser.add_argument('--out', type=Path, default=ROOT / 'work_dirs/mutants.json', metavar='FILE.json',
                        help='verdicts; a run that was stopped goes on from them')
    return parser.parse_args()


def drawn(only: list[str], per_module: int, seed: int) -> list[Mutant]:
    """For each module its unchanged text and the mutants to try, without those that are known to change nothing."""
    known = json.loads(EQUIVALENT.read_text(encoding='utf-8')) if EQUIVALENT.is_file() else {}
    chosen = []
    for folder in FOLDERS:
        for path in sorted((ROOT / PACKAGE / folder).rglob('*.py')):
            name = str(path.relative_to(ROOT))
            if path.name == '__init__.py' or only and not any(word in name for word in only):
                continue
            candidates = [mutant for mutant in mutants(path) if mutant.name not in known]
            if candidates:
                chosen.append(Mutant(name, 0, UNCHANGED, UNCHANGED, path.read_text(encoding='utf-8')))
                chosen += random.Random(f'{seed} {name}').sample(candidates, min(per_module, len(candidates)))
    return chosen


def main() -> None:
    """Run the tool."""
    args = parse_args()
    verdicts = json.loads(args.out.read_text(encoding='utf-8')) if args.out.is_file() else {}
    todo = [mutant for mutant in drawn(args.only, args.per_module, args.seed) if mutant.name not in verdicts]
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(args.jobs) as pool, tqdm(total=len(todo)) as bar:
        for mutant, survived in zip(todo, pool.map(lambda one: survives(one, args.timeout), todo)):
            verdicts[mutant.name] = dict(path=mutant.path, line=mutant.line, survived=survived)
            partial = args.out.with_suffix('.partial')
            partial.write_text(json.dumps(verdicts, indent=1), encoding='utf-8')
            os.replace(partial, args.out)
            bar.update()
    failing = {verdict['path'] for verdict in verdicts.values() if not verdict['line'] and not verdict['survived']}
    for path in sorted(failing):
        print(f'{path}: its tests fail without any change or outlast --timeout, so that its mutants do not count')
    counted = {name: verdict for name, verdict in verdicts.items() if verdict['line'] and verdict['path'] not in failing}
    alive = sorted(name for name, verdict in counted.items() if verdict['survived'])
    print('\n'.join(alive))
    print(f'{len(counted) - len(alive)} of {len(counted)} mutants killed, {1 - len(alive) / max(len(counted), 1):.1%}')


if __name__ == '__main__':
    main()
