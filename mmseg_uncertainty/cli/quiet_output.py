"""Keeps from the terminal what a person does not need; the log file of a run has all of it."""
from __future__ import annotations

import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TextIO

# How messages of mmseg and mmengine begin, some of which are printed whatever the level of logging.
NOISE = ('Could not import OneDL', '-{30,}\nSystem environment', 'Config:', 'Hooks will be executed', 'Exp name:', r'Iter\(\w+\)',
         'Distributed training is not used', 'Load checkpoint from', 'Loads checkpoint by', 'load checkpoint from',
         'The model and loaded state dict do not match', '"FileClient" will be deprecated', 'Checkpoints will be saved',
         'Auto resumed', 'resumed epoch', '"HardDiskBackend" is the alias', 'The prefix is not set in metric class',
         'Registry node of', 'Because batch augmentations')
NOISY = re.compile(rf'^(?:.{{1,40}}? - \S+ - .{{4,20}}? - )?\s*(?:{"|".join(NOISE)})')


class QuietOutput:
    """Standard output without messages that begin as one of :data:`NOISE`.

    Both ``print`` and handlers of logging hand a message over in one piece, and ``print`` its end of line in another.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self._line_goes = False

    def write(self, text: str) -> int:
        """Write, or leave out."""
        ends_line, self._line_goes = self._line_goes and text == '\n', bool(NOISY.match(text))
        if self._line_goes and text.endswith('\n'):
            self._line_goes = False
            return len(text)
        return len(text) if ends_line or self._line_goes else self.stream.write(text)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)


@contextmanager
def quiet_output() -> Iterator[None]:
    """Leave noise out of standard output, and warnings that no user can do anything about."""
    before = sys.stdout
    with warnings.catch_warnings():
        warnings.filterwarnings('ignore', message='Default ``avg_non_ignore`` is False')
        warnings.filterwarnings('ignore', message='Fail to import')
        sys.stdout = QuietOutput(before)
        try:
            yield
        finally:
            sys.stdout = before
