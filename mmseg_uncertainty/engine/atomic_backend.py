"""A file backend that never leaves half a file."""
from __future__ import annotations

from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend

from mmseg_uncertainty.runtime.output_files import whole_file


class AtomicBackend(LocalBackend):
    """Write beside the target, then rename; what cannot be written whole leaves nothing.

    Used for checkpoints with ``backend_args=dict(backend='atomic')``.
    """

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write bytes to a file that appears whole or not at all."""
        with whole_file(filepath) as partial:
            super().put(obj, partial)


register_backend('atomic', AtomicBackend, force=True)
