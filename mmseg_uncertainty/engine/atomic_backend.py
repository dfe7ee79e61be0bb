"""A file backend that never leaves half a file."""
from __future__ import annotations

import os
from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend


class AtomicBackend(LocalBackend):
    """Write beside the target, then rename; used for checkpoints with ``backend_args=dict(backend='atomic')``."""

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write bytes to a file that appears whole or not at all."""
        partial = Path(f'{filepath}.partial')
        super().put(obj, partial)
        os.replace(partial, filepath)


register_backend('atomic', AtomicBackend, force=True)
