"""Finds the MMSegmentation this package plugs into; there has to be exactly one."""
from __future__ import annotations

from importlib import metadata

from .operators import offer_python_operators

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
    """Check that one MMSegmentation is installed and let configs name ``mmseg::`` and ``mmseg_uncertainty::`` bases.

    mmengine maps the module ``mmseg`` to the distribution ``mmsegmentation``, which is not the name of the OneDL
    distribution, so ``_base_ = ['mmseg::…']`` would fail there. What of ``mmcv.ops`` is written in Python is made available
    without the compiled rest.

    Raises:
        ImportError: No stack is installed, or two of them are; both write the same modules ``mmseg``, ``mmcv`` and
            ``mmengine``, so what would run is neither.
    """
    stacks = installed_stacks()
    if not stacks:
        raise ImportError('mmseg_uncertainty plugs into MMSegmentation, and none is installed. Run '
                          '`pip install "mmseg_uncertainty[mmseg]"` for the maintained OneDL line, or install '
                          'mmsegmentation 1.2 with mmcv 2.')
    if len(stacks) > 1:
        names = '; '.join(f'{stack}: {", ".join(names)}' for stack, names in stacks.items())
        raise ImportError(f'Two MMSegmentation stacks are installed over each other ({names}). They share the modules '
                          'mmseg, mmcv and mmengine. Uninstall all of these distributions, then install one stack.')
    distribution = next((name for name in ('onedl-mmsegmentation', 'mmsegmentation') if _version(name)), None)
    from mmengine.config import utils
    if distribution is not None:
        utils.MODULE2PACKAGE['mmseg'] = distribution
    utils.MODULE2PACKAGE['mmseg_uncertainty'] = 'mmseg_uncertainty'
    offer_python_operators()


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None
