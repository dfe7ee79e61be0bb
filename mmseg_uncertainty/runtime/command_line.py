"""What command-line tools share."""
from __future__ import annotations

import sys
from collections.abc import Callable

from .freed_memory import keep_freed_memory

NAMED_ERRORS = (FileNotFoundError, FloatingPointError, ImportError, KeyError, ValueError)


def run_plain_command(main: Callable[[], None], named_errors: tuple[type[Exception], ...] = NAMED_ERRORS) -> None:
    """Run a tool with memory kept for its next maps; an error that explains itself ends it with one line instead of a traceback.

    Args:
        main: The tool; ``--debug`` among its arguments keeps the traceback.
        named_errors: Errors that explain themselves.
    """
    keep_freed_memory()
    try:
        main()
    except named_errors as error:
        if '--debug' in sys.argv:
            raise
        message = error.args[0] if isinstance(error, KeyError) and error.args else error
        sys.exit(f'{type(error).__name__}: {message}')
