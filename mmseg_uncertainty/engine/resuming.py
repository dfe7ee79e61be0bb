"""Which checkpoint of a work folder a run goes on from."""
from __future__ import annotations

from pathlib import Path

from mmseg_uncertainty.runtime.output_files import whole_file

from .checkpoints import CheckpointError

NOTE = 'last_checkpoint'


def note_last_checkpoint(folder: str | Path, name: str) -> Path:
    """Write down which checkpoint of a work folder is the last one; returns its path."""
    path = Path(folder).absolute() / name
    with whole_file(Path(folder) / NOTE) as partial:
        partial.write_text(str(path), encoding='utf-8')
    return path


def last_checkpoint(folder: str | Path) -> Path | None:
    """The last checkpoint of a work folder, ``None`` where it has none.

    mmengine notes an absolute path, which no longer holds once the folder is moved or copied; the file beside the note is
    meant.

    Raises:
        CheckpointError: The note names a file that is neither there nor in the folder.
    """
    note = Path(folder) / NOTE
    if not note.is_file():
        return None
    noted = Path(note.read_text(encoding='utf-8').strip())
    found = next((path for path in (Path(folder) / noted.name, noted) if path.is_file()), None)
    if found is None:
        others = sorted(path.name for path in Path(folder).glob('*.pth'))
        raise CheckpointError(f'--resume: {note} names {noted}, which is neither there nor in {folder}, where '
                              f'{", ".join(others) or "no checkpoint"} lies. Put the file there, write the name of another '
                              f'into {NOTE}, or remove {NOTE} to start anew.')
    return found
