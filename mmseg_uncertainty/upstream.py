"""Lets MMSegmentation 1.2 and mmengine 0.10 run beside libraries that came after them, and start without what few ask for."""
from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch.optim import Optimizer

# MMSegmentation 1.2 and mmdet 3.3 run with mmcv 2.2 and refuse to be imported beside it.
REFUSED, ACCEPTED = '2.2.', '2.1.0'
TRANSFORMERS, OPTIMIZERS = 'transformers', 'mmengine.optim'


@contextmanager
def accepted_mmcv() -> Iterator[None]:
    """Within the block mmcv 2.2 says that it is 2.1, the last that libraries of OpenMMLab can be imported with."""
    import mmcv
    version = mmcv.__version__
    if not version.startswith(REFUSED):
        yield
        return
    logging.getLogger(__name__).info('mmsegmentation refuses mmcv %s for its number alone; it is imported all the same', version)
    mmcv.__version__ = ACCEPTED
    try:
        yield
    finally:
        mmcv.__version__ = version


def import_optimizers() -> None:
    """Import mmengine's optimizers without transformers, of which it registers one optimizer: half a second of every start.

    Configs find it by its name all the same, see :func:`adafactor`.
    """
    if TRANSFORMERS in sys.modules or OPTIMIZERS in sys.modules or find_spec(TRANSFORMERS) is None:
        return
    sys.modules[TRANSFORMERS] = None  # type: ignore[assignment]  (which lets its import fail)
    try:
        from mmengine.optim.optimizer import builder
    finally:
        del sys.modules[TRANSFORMERS]
    builder.OPTIMIZERS.register_module(name='Adafactor', module=adafactor)
    builder.TRANSFORMERS_OPTIMIZERS.append('Adafactor')


def adafactor(params: Any, **options: Any) -> Optimizer:
    """The optimizer Adafactor of transformers, which is imported with the first one that is built."""
    from transformers import Adafactor
    return Adafactor(params, **options)


def find_configs_without_metafiles() -> None:
    """Let mmengine look for ``mmseg::…`` among files first; it reads the metafiles of all models before, 53 files of mmseg."""
    from mmengine.config import config
    config._get_external_cfg_path = external_config


def external_config(package_path: str, name: str) -> str:
    """Path of a config of a package: a file of its configs, or else what its metafiles list under this name.

    Raises:
        ValueError: They list none.
    """
    from mmengine.config import utils
    file = Path(package_path) / '.mim/configs' / name
    return str(file) if file.is_file() else utils._get_external_cfg_path(package_path, name)


def find_packages_without_setuptools() -> None:
    """Let mmengine find packages by their modules where it cannot ask ``pkg_resources``, which setuptools 81 took out."""
    from mmengine.config import config
    if find_spec('pkg_resources') is None:
        logging.getLogger(__name__).info('there is no pkg_resources; mmengine finds packages by their modules')
        config.is_installed, config.get_installed_path = is_installed, installed_path


def is_installed(package: str) -> bool:
    """Whether the module of this distribution, or of this name, is there."""
    return _folder(package) is not None


def installed_path(package: str) -> str:
    """Folder of the module of this distribution, or of this name.

    Raises:
        PackageNotFoundError: There is none.
    """
    folder = _folder(package)
    if folder is None:
        raise metadata.PackageNotFoundError(package)
    return str(folder)


def _folder(package: str) -> Path | None:
    from mmengine.config.utils import MODULE2PACKAGE
    named = [module for module, distribution in MODULE2PACKAGE.items() if distribution == package]
    specs = [find_spec(module) for module in [*named, package] if module.isidentifier()]
    return next((Path(spec.origin).parent for spec in specs if spec is not None and spec.origin is not None), None)
