"""What command-line tools share."""
from __future__ import annotations

import errno
import logging
import re
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from .freed_memory import keep_freed_memory

NAMED_ERRORS = (FloatingPointError, ImportError, KeyError, OSError, SyntaxError, ValueError)
FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)
INTERRUPTED = 130
# How pathlib begins, before Python 3.13.
LOOP = 'Symlink loop'
WORKER_TRACEBACK = 'Original Traceback (most recent call last):'
ERROR_CLASS = re.compile(r'^[\w.]+(?:: |$)')


class Interrupted(KeyboardInterrupt):
    """Ctrl+C, with a message that says what was kept and how to go on."""


def run_plain_command(main: Callable[[], None], named_errors: tuple[type[Exception], ...] = NAMED_ERRORS,
                      on_interrupt: str = 'Run the same command again.') -> None:
    """Run a tool with memory kept for its next maps; an error that explains itself ends it with one line, no traceback.

    Args:
        main: The tool; ``--debug`` among its arguments keeps the traceback.
        named_errors: Errors that explain themselves.
        on_interrupt: What Ctrl+C leaves behind, and how to go on.
    """
    keep_freed_memory()
    # A log that cannot be written, on a full disk say, is no reason for a traceback between the lines of a result.
    logging.raiseExceptions = '--debug' in sys.argv
    try:
        main()
    except KeyboardInterrupt as interrupt:
        if '--debug' in sys.argv:
            raise
        told = str(interrupt) if isinstance(interrupt, Interrupted) else on_interrupt
        print(f'\nInterrupted. {told}', file=sys.stderr, flush=True)
        sys.exit(INTERRUPTED)
    except Exception as error:
        if '--debug' in sys.argv or not (isinstance(error, named_errors) or explains_itself(error)):
            raise
        sys.exit(f'{type(error).__name__}: {message_of(error)}')


def explains_itself(error: Exception) -> bool:
    """Whether an error of a general kind is about what the user gave: an option of no class, a lost worker, a link to itself."""
    text = str(error)
    if isinstance(error, TypeError):
        return 'unexpected keyword argument' in text or 'required positional argument' in text
    return isinstance(error, RuntimeError) and text.startswith(('DataLoader worker', LOOP)) and WORKER_TRACEBACK not in text


def message_of(error: Exception) -> str:
    """What an error says, in one line, without the traceback that torch puts into the message of a worker process."""
    return ' '.join(_text_of(error).split())


def _text_of(error: Exception) -> str:
    if isinstance(error, KeyError) and error.args:
        text = str(error.args[0])
        if ' ' not in text:
            return f'{text!r} is missing{_place_of(error)}. Add --debug for the traceback.'
    elif isinstance(error, OSError) and error.filename is not None:
        return f'{error.filename}: {error.strerror}. Check the path and its permissions.'
    elif isinstance(error, OSError) and error.errno in FULL:
        text = f'{error.strerror}: something of this run cannot be written. Make room on the disk, or choose another place.'
    else:
        text = str(error)
    if isinstance(error, RuntimeError) and text.startswith('DataLoader worker'):
        return f'{text} A worker that ends by itself mostly lacked memory: set num_workers=0 or a smaller batch_size.'
    if isinstance(error, RuntimeError) and text.startswith(LOOP):
        return f'{text}: the path is a link that leads back to itself. Choose another path.'
    return _end_of_traceback(text) if WORKER_TRACEBACK in text else text


def _place_of(error: Exception) -> str:
    frames = traceback.extract_tb(error.__traceback__)
    return f', which {Path(frames[-1].filename).name}, line {frames[-1].lineno}, asked for' if frames else ''


def _end_of_traceback(text: str) -> str:
    """The message below the last frame of a traceback; it may have several lines."""
    lines = text.splitlines()
    last_frame = max(index for index, line in enumerate(lines) if line.startswith('  File "'))
    message = [index for index, line in enumerate(lines) if index > last_frame and line and not line.startswith(' ')]
    return ERROR_CLASS.sub('', '\n'.join(lines[message[0]:])).strip() if message else text
