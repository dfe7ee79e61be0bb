"""Refuses to fit heads by the schedule that a zoo config trains its base with."""
from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from mmengine.config import Config

from .config_files import find_config, type_name
from .load_posthoc import POSTHOC_SEGMENTORS


def check_schedule(config: Config) -> None:
    """Check that a config which adds heads to a zoo model does not inherit the schedule of that model.

    Raises:
        ValueError: It does: tens of thousands of iterations, with a rate made for training the whole network.
    """
    if type_name(config.model.get('type')) not in POSTHOC_SEGMENTORS or not config.filename:
        return
    for name in zoo_bases(Path(config.filename)):
        zoo = Config.fromfile(find_config(name))
        wrapper = zoo.get('optim_wrapper')
        same = all(_unscoped(zoo.get(key)) == _unscoped(config.get(key)) for key in ('train_cfg', 'optim_wrapper'))
        if zoo.get('train_cfg') and wrapper and same:
            optimizer = wrapper.optimizer
            raise ValueError(f'{config.filename} would fit heads by the schedule with which {name} trains its base '
                             f'({zoo.train_cfg.get("max_iters") or zoo.train_cfg.get("max_epochs")} iterations, '
                             f'{type_name(optimizer.type)} at {optimizer.get("lr")}). Use `mmseg-uncertainty fit {name} CHECKPOINT '
                             '--add …`, whose recipes bring their own, or set train_cfg, optim_wrapper (with _delete_=True) and '
                             'param_scheduler in the config.')


def _unscoped(options: Mapping | None) -> dict:
    """Options without the scope that mmengine adds to what is inherited."""
    return {key: value for key, value in (options or {}).items() if key != '_scope_'}


def zoo_bases(path: Path) -> Iterator[str]:
    """Names of the ``mmseg::`` configs that a config inherits, directly or through others."""
    for name in Config._get_base_files(str(path)):
        if name.startswith('mmseg::'):
            yield name
        elif '::' not in name:
            yield from zoo_bases(path.parent / name)
