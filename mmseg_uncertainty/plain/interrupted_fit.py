"""What an interrupted fit leaves in a folder, so that it goes on from there."""
from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mmengine.logging import print_log

from mmseg_uncertainty.engine.checkpoints import CheckpointError, read_checkpoint, write_checkpoint
from mmseg_uncertainty.models import PosthocSegmentor

from .posthoc_state import load_posthoc_state, posthoc_state

FILENAME = 'fit.pth'


def save_whole(path: str | Path, content: Mapping) -> None:
    """Write a checkpoint that appears whole or not at all.

    Raises:
        FileNotFoundError: The folder does not exist.
        OutputError: There is no room, or no permission.
    """
    path = Path(path).expanduser()
    if not path.parent.is_dir():
        raise FileNotFoundError(f'{path} cannot be written, since the folder {path.parent} does not exist; make it first.')
    write_checkpoint(path, content)


class InterruptedFit:
    """Remember which parts of a fit are done, and what a part that was interrupted had reached.

    Args:
        folder: Where ``fit.pth`` is kept; ``None`` keeps nothing.
        circumstances: What decides the result: options, images, base model; plain values.
    """

    def __init__(self, folder: str | Path | None, circumstances: Mapping) -> None:
        self.path = None if folder is None else Path(folder).expanduser() / FILENAME
        self.circumstances = dict(circumstances)
        self.done: list[str] = []
        self.progress: dict = {}

    def resume(self, posthoc: PosthocSegmentor) -> None:
        """Fill a model with what is in the folder, if anything is.

        Raises:
            CheckpointError: The folder holds a fit of another kind, or of other images.
        """
        if self.path is None or not self.path.is_file():
            return
        saved = read_checkpoint(self.path)
        found = saved.get('circumstances')
        if not isinstance(found, Mapping):
            raise CheckpointError(f'{self.path} is no interrupted fit of fit(resume=…). Choose another folder.')
        other = [name for name in self.circumstances if found.get(name) != self.circumstances[name]]
        if other:
            described = '; '.join(f'{name} {found.get(name)!r}, now {self.circumstances[name]!r}' for name in other)
            raise CheckpointError(f'{self.path} holds a fit under other circumstances: {described}. Fit as before, or '
                                  'choose another folder.')
        load_posthoc_state(posthoc, saved['state_dict'], str(self.path))
        self.done, self.progress = list(saved['done']), dict(saved['progress'])
        print_log(f'Going on with {self.path}: {", ".join(self.done) or "no part"} done.', 'current')

    def save(self, posthoc: PosthocSegmentor, progress: Mapping | None = None) -> None:
        """Write down what is done, and how far the present part is."""
        if self.path is None:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        save_whole(self.path, dict(circumstances=self.circumstances, done=self.done, progress=dict(progress or {}),
                                   state_dict=posthoc_state(posthoc)))

    def finish(self, part: str, posthoc: PosthocSegmentor) -> None:
        """Write down that a part is done."""
        self.done.append(part)
        self.progress = {}
        self.save(posthoc)

    def remove(self) -> None:
        """Remove what the folder holds, once the fit is over."""
        if self.path is not None:
            self.path.unlink(missing_ok=True)
