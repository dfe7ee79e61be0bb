"""Lets MMSegmentation 1.2 and mmengine 0.10 of OpenMMLab run beside libraries that came after them."""
from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path

# MMSegmentation 1.2 and mmdet 3.3 run with mmcv 2.2 and refuse to be imported beside it.
REFUSED, ACCEPTED = '2.2.', '2.1.0'


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
