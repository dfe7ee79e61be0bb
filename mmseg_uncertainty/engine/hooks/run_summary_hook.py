"""Writes down what a training run is."""
from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import nn
from torch.utils.data import DataLoader

from mmseg_uncertainty.engine.bare_model import bare_model

FILE = 'summary.txt'


@HOOKS.register_module()
class RunSummaryHook(Hook):
    """Write command, commit, seed, parameters and data of a run to ``summary.txt``, and to TensorBoard where it is on."""

    priority = 'VERY_LOW'

    @master_only
    def before_train(self, runner: Runner) -> None:
        """Write the summary once the model and the data are built."""
        text = '\n'.join(run_summary(runner))
        (Path(runner.work_dir) / FILE).write_text(text + '\n', encoding='utf-8')
        for backend in runner.visualizer._vis_backends.values():
            if hasattr(backend.experiment, 'add_text'):
                # TensorBoard reads Markdown, in which four spaces keep the lines.
                backend.experiment.add_text('summary', '    ' + text.replace('\n', '\n    '))


def run_summary(runner: Runner) -> Iterator[str]:
    """Lines that say what a run is."""
    yield f'command: {shlex.join(sys.argv)}'
    yield f'commit: {commit_of(Path.cwd())}'
    yield f'seed: {runner.seed}'
    model = bare_model(runner)
    yield f'model: {type(model).__name__}, {_count(model):,} parameters, {_count(model, trained=True):,} of them trained'
    for name, module in model.named_children():
        yield f'  {name}: {type(module).__name__}, {_count(module):,} parameters'
    loaders = dict(training=runner.train_dataloader, validation=runner.val_loop.dataloader if runner.val_loop else None)
    for name, loader in loaders.items():
        if loader is not None:
            yield f'{name}: {_data(loader)}'


def commit_of(folder: Path) -> str:
    """Commit of the repository a folder lies in, with ``+ changes`` where files differ from it; ``'none'`` without one."""
    try:
        commit = _git(folder, 'rev-parse', 'HEAD')
        changes = _git(folder, 'status', '--porcelain', '--untracked-files=no')
    except (OSError, subprocess.CalledProcessError):
        return 'none'
    return f'{commit} + changes' if changes else commit


def _git(folder: Path, *arguments: str) -> str:
    return subprocess.run(['git', *arguments], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()


def _count(module: nn.Module, trained: bool = False) -> int:
    return sum(parameter.numel() for parameter in module.parameters() if parameter.requires_grad or not trained)


def _data(loader: DataLoader) -> str:
    dataset = loader.dataset
    meta = getattr(dataset, 'metainfo', {})
    parts = [f'{len(dataset)} images of {type(dataset).__name__}', f'batches of {loader.batch_size}']
    parts += [f'{key} {meta[key]}' for key in ('dataset_name', 'areas', 'split') if meta.get(key)]
    return ', '.join(parts)
