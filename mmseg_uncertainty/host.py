"""Finds the MMSegmentation this package plugs into; there has to be exactly one."""
from __future__ import annotations

import logging
from contextlib import redirect_stdout
from importlib import metadata
from io import StringIO

from .operators import python_operators
from .upstream import accepted_mmcv, find_configs_without_metafiles, find_packages_without_setuptools, import_optimizers

STACKS = {
    'OneDL': ('onedl-mmsegmentation', 'onedl-mmcv', 'onedl-mmengine'),
    'OpenMMLab': ('mmsegmentation', 'mmcv', 'mmcv-lite', 'mmcv-full', 'mmengine'),
}


def installed_stacks() -> dict[str, list[str]]:
    """Distributions of each MMSegmentation stack that are installed, by name of the stack."""
    found = {}
    for stack, names in STACKS.items():
        present = [name for name in names if _version(name) is not None]
        if present:
            found[stack] = present
    return found


def connect_host() -> None:
    """Check that one MMSegmentation is installed, import its models, and let configs name ``mmseg::`` and
    ``mmseg_uncertainty::`` bases.

    Nothing of this happens before a part of the package that plugs into MMSegmentation is imported. What the process sees
    afterwards is what is installed: see :func:`name_distribution`, :func:`~mmseg_uncertainty.operators.python_operators` and
    :mod:`~mmseg_uncertainty.upstream`.

    Raises:
        ImportError: No stack is installed, or two of them are; both write the same modules ``mmseg``, ``mmcv`` and
            ``mmengine``, so what would run is neither.
    """
    stacks = installed_stacks()
    if not stacks:
        raise ImportError('This part of mmseg_uncertainty plugs into MMSegmentation, and none is installed. Run '
                          '`pip install "mmseg_uncertainty[mmseg]"` for the maintained OneDL line, or install '
                          'mmsegmentation 1.2 with mmcv 2. mmseg_uncertainty.functional and mmseg_uncertainty.runtime work '
                          'without.')
    if len(stacks) > 1:
        names = '; '.join(f'{stack}: {", ".join(names)}' for stack, names in stacks.items())
        raise ImportError(f'Two MMSegmentation stacks are installed over each other ({names}). They share the modules '
                          'mmseg, mmcv and mmengine. Uninstall all of these distributions, then install one stack.')
    name_distribution()
    if 'OpenMMLab' in stacks:
        find_packages_without_setuptools()
    find_configs_without_metafiles()
    import_optimizers()
    # mmseg prints which optional libraries it has not found, whatever the level of logging.
    with accepted_mmcv(), python_operators(), redirect_stdout(StringIO()):
        import mmseg.datasets
        import mmseg.models
        import mmseg.utils  # noqa: F401


def name_distribution() -> None:
    """Tell mmengine under which name MMSegmentation is installed, where it believes another, and where our configs are.

    mmengine maps the module ``mmseg`` to the distribution ``mmsegmentation``. The OneDL line has another name, so that
    ``_base_ = ['mmseg::…']`` would look for what is not there.
    """
    from mmengine.config import utils
    utils.MODULE2PACKAGE['mmseg_uncertainty'] = 'mmseg_uncertainty'
    installed = next((name for name in ('onedl-mmsegmentation', 'mmsegmentation') if _version(name)), None)
    if installed is not None and installed != utils.MODULE2PACKAGE['mmseg']:
        logging.getLogger(__name__).info('mmengine looks for mmseg:: configs in %s, which is installed, instead of %s',
                                         installed, utils.MODULE2PACKAGE['mmseg'])
        utils.MODULE2PACKAGE['mmseg'] = installed


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
