"""Names of devices, checked before anything is loaded."""
from __future__ import annotations

import torch


def checked_device(name: str | torch.device) -> str:
    """The name of a device that is there.

    Raises:
        ValueError: It is no name of a device, or there is no such device here.
    """
    here = _devices_here()
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ValueError(f'--device {name}: unknown, expected one of {", ".join(here)}.') from None
    if device.type not in ('cpu', 'meta') and (str(device) not in here and device.type not in here):
        raise ValueError(f'--device {name}: this torch ({torch.__version__}) finds no such device here, only '
                         f'{", ".join(here)}. Choose one of these, or install torch for your accelerator.')
    return str(device)


def _devices_here() -> list[str]:
    """Names of all devices, kinds without number included."""
    found = ['cpu']
    for kind in ('cuda', 'xpu', 'mps', 'npu', 'mlu', 'musa'):
        module = getattr(torch, kind, None) or getattr(torch.backends, kind, None)
        if module is not None and getattr(module, 'is_available', lambda: False)():
            count = getattr(module, 'device_count', lambda: 1)()
            found += [kind, *(f'{kind}:{index}' for index in range(count))]
    return found
