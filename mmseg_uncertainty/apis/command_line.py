"""What all command-line tools share."""
from __future__ import annotations

import sys
from collections.abc import Callable

from mmseg_uncertainty.engine.checkpoints import CheckpointError

from .distributed import leave

NAMED_ERRORS = (CheckpointError, FileNotFoundError, FloatingPointError, KeyError, ValueError)


def run_command(main: Callable[[], None]) -> None:
    """Run a tool; an error that explains itself ends it with one line instead of a traceback.

    Args:
        main: The tool; ``--debug`` among its arguments keeps the traceback.
    """
    try:
        main()
        leave()
    except NAMED_ERRORS as error:
        if '--debug' in sys.argv:
            raise
        message = error.args[0] if isinstance(error, KeyError) and error.args else error
        sys.exit(f'{type(error).__name__}: {message}')
