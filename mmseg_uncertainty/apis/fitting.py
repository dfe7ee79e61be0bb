"""Fit uncertainty to any model on a folder of images and labels."""
from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmengine.runner import Runner

from mmseg_uncertainty.engine.checkpoints import load_checkpoints_safely, meta_of, read_checkpoint, write_checkpoint
from mmseg_uncertainty.engine.resuming import last_checkpoint
from mmseg_uncertainty.engine.usual_ranges import USUAL_RANGES, ranges_of
from mmseg_uncertainty.runtime.command_line import Interrupted
from mmseg_uncertainty.runtime.image_sources import find_images, read_image
from mmseg_uncertainty.runtime.output_files import check_output_file, check_output_folder, whole_file
from mmseg_uncertainty.runtime.score_ranges import pilots

from .config_files import change_config, load_config
from .fit_plan import CALIBRATOR_SHARE, FitData, fit_configs
from .folder_data import check_folders, class_meta
from .recipes import check_target, chosen_recipes
from .run_config import add_hooks
from .uncertainty_inferencer import UncertaintyInferencer

CALIBRATED = 'calibrated.pth'
GO_ON = 'Run the same command again to go on.'


def fit(config: str | Path | Config,
        checkpoint: str | Path,
        add: Sequence[str],
        images: str | Path,
        labels: str | Path,
        classes: str | Path | None = None,
        out: str | Path = 'fitted.pth',
        outliers: str | Path | None = None,
        iterations: int | None = None,
        calibrator_share: float | str = CALIBRATOR_SHARE,
        alpha: float | None = None,
        work_dir: str | Path | None = None,
        workers: int = 2,
        options: dict | None = None,
        target: str | Path | None = None) -> Path:
    """Add calibrators, prediction sets and scores to a trained model, and fit them.

    What learns by gradient is fitted first, then what is fitted by statistics. A calibrator and prediction sets get
    different images, so that what the sets promise holds. Of the config of the base only the model and its test pipeline are
    used: schedules are those of what is added.

    Args:
        config: Config of the base model, its path, or its name in the zoo (``mmseg::…``).
        checkpoint: Weights of the base model.
        add: Names of :data:`~mmseg_uncertainty.apis.recipes.RECIPES`.
        images: Folder of images.
        labels: Folder of labels, class indices from 0 with 255 for void, matched by stem.
        classes: File with the names of the classes, see :func:`~mmseg_uncertainty.apis.folder_data.class_meta`.
        out: Checkpoint to write; the config goes beside it, with the suffix ``.py``.
        outliers: Folder of images whose texture is pasted as unknown objects.
        iterations: Iterations of what learns by gradient.
        calibrator_share: Share of the images that fit the calibrator alone, where there are prediction sets too.
        alpha: Promised risk of prediction sets.
        work_dir: Where steps and logs go; by default a folder of ``work_dirs/fit`` that belongs to this fit.
        workers: Processes that load images.
        options: Values of the config of the base to change, by dotted key.
        target: Folder of images without labels from where the model will be used, for the recipe ``weighted``.

    Returns:
        Path of the checkpoint.

    Raises:
        CheckpointError: The checkpoint is unsafe or does not fit.
        DatasetError: Images or labels are missing or do not belong together.
        Interrupted: Ctrl+C; the same call goes on where this one stopped.
        ValueError: A recipe is unknown, or recipes exclude each other, or ``weighted`` has no target.
    """
    out = Path(out)
    recipes = chosen_recipes(add)
    check_output_file(out, '--out')
    check_output_file(out.with_suffix('.py'), '--out')
    check_folders(images=images, labels=labels, outliers=outliers, target=target)
    check_target(add, target)
    init_default_scope('mmseg')
    load_checkpoints_safely()
    base = config if isinstance(config, Config) else load_config(config)
    change_config(base, options)
    content = read_checkpoint(checkpoint)
    data = FitData(Path(images), Path(labels), class_meta(base, content, classes), Path(outliers) if outliers else None, workers,
                   Path(target) if target else None)
    steps = fit_configs(base, recipes, data, iterations, calibrator_share, alpha)
    folder = Path(work_dir) if work_dir else Path('work_dirs/fit') / f'{out.stem}-{_digest(steps, checkpoint)}'
    check_output_folder(folder, '--work-dir')
    for number, step in enumerate(steps, 1):
        step.load_from = str(Path(checkpoint).resolve())
        checkpoint = _run(step, folder / f'step_{number}')
    write_checkpoint(out, _with_ranges(steps[-1], checkpoint, images))
    write_config(steps[-1], out.with_suffix('.py'))
    return out


def _with_ranges(config: Config, checkpoint: str | Path, images: str | Path) -> dict:
    """A checkpoint with the colour scales of its scores, which what learns by gradient does not measure."""
    content = read_checkpoint(checkpoint)
    if USUAL_RANGES in meta_of(content):
        return content
    inferencer = UncertaintyInferencer(Config(config.to_dict()), str(checkpoint), show_progress=False)
    sources = find_images(Path(images))
    samples = (inferencer(read_image(sources[index]), return_datasamples=True)['predictions'][0] for index in pilots(len(sources)))
    return dict(content, meta=dict(meta_of(content), **{USUAL_RANGES: ranges_of(inferencer.model, samples)}))


def write_config(config: Config, path: Path) -> None:
    """Write a config that can be edited and run again."""
    with whole_file(path) as partial:
        partial.write_text(config.pretty_text, encoding='utf-8')


def _run(config: Config, folder: Path) -> Path:
    """Run one step, or find it done; returns its checkpoint."""
    by_gradient = 'max_iters' in config.train_cfg
    result = folder / (f'iter_{config.train_cfg.max_iters}.pth' if by_gradient else CALIBRATED)
    if by_gradient and result.is_file():
        return result
    run = Config(config.to_dict())
    add_hooks(run, need_heads=False)
    run.custom_hooks.append(dict(type='SaveOnInterruptHook'))
    run.work_dir = str(folder)
    resumed = last_checkpoint(folder) if by_gradient else None
    if resumed is not None:
        run.resume, run.load_from = True, str(resumed)
    folder.mkdir(parents=True, exist_ok=True)
    write_config(config, folder / 'config.py')
    try:
        Runner.from_cfg(run).train()
    except KeyboardInterrupt:
        kept = last_checkpoint(folder) if by_gradient else None
        raise Interrupted(f'{f"{kept} was saved." if kept else "Earlier steps are kept."} {GO_ON}') from None
    return result


def _digest(steps: Sequence[Config], checkpoint: str | Path) -> str:
    """What tells one fit from another: configs and weights."""
    weights = hashlib.sha256(Path(checkpoint).expanduser().read_bytes()).hexdigest()
    return hashlib.sha256('\n'.join([weights, *(repr(step.to_dict()) for step in steps)]).encode()).hexdigest()[:8]
