"""Runs a command as a process of its own would, without importing anything twice: in a fork of this one."""
from __future__ import annotations

import ctypes
import gc
import os
import resource
import signal
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

PROGRAM = 'mmseg-uncertainty'
MEMORY = 8 * 2**30
# Stands before what a command says at its end, so that its lines can be counted.
MESSAGE = '\x1e'
CAPABILITIES_3, OVERRIDE = 0x20080522, 0b110


@dataclass(frozen=True)
class Outcome:
    """How a process ended.

    Args:
        code: Its exit status, minus the signal that ended it, or ``None`` where it was still running.
        out: What it printed.
        err: What it printed to standard error.
    """

    code: int | None
    out: str
    err: str

    @property
    def message(self) -> str:
        """What it said at its end: what it left with, or else its last line."""
        _, left, message = self.err.rpartition(MESSAGE)
        return message.strip() if left else self.err.strip().rpartition('\n')[2].rpartition('\r')[2]


def run_forked(words: Sequence[str], folder: Path, timeout: float = 120., file_size: int | None = None,
               own_rights: bool = False) -> Outcome:
    """Run a command in a folder.

    Args:
        words: The command and its options.
        folder: Where it starts; what it keeps for itself goes to ``folder.tmp``.
        timeout: Seconds after which it is ended.
        file_size: Most bytes of a file, as on a full disk.
        own_rights: Whether permissions of files hold for the superuser too.
    """
    scratch = folder.with_name(f'{folder.name}.tmp')
    scratch.mkdir(exist_ok=True)
    streams = [tempfile.TemporaryFile() for _ in range(2)]
    pipes = [os.pipe() for _ in range(2)]
    gc.freeze()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if not child:
        _be_the_command(words, folder, scratch, [write for _, write in pipes], file_size, own_rights)
    for _, write in pipes:
        os.close(write)
    code = _wait(child, [read for read, _ in pipes], streams, time.monotonic() + timeout)
    texts = []
    for stream in streams:
        stream.seek(0)
        texts.append(stream.read().decode(errors='replace'))
        stream.close()
    return Outcome(code, *texts)


def _wait(child: int, sources: list[int], streams: list, end: float) -> int | None:
    """Copy what a child prints until it has ended; its exit status."""
    for source in sources:
        os.set_blocking(source, False)
    status = None
    while status is None:
        ended, found = os.waitpid(child, os.WNOHANG)
        status = os.waitstatus_to_exitcode(found) if ended else None
        for source, stream in zip(sources, streams):
            _copy(source, stream)
        if status is None and time.monotonic() > end:
            break
        if status is None:
            time.sleep(0.01)
    try:
        # Workers and whatever else it started are of its session.
        os.killpg(child, signal.SIGKILL)
    except ProcessLookupError:
        pass
    if status is None:
        os.waitpid(child, 0)
    for source, stream in zip(sources, streams):
        _copy(source, stream)
        os.close(source)
    return status


def _copy(source: int, stream) -> None:
    try:
        while block := os.read(source, 65536):
            stream.write(block)
    except BlockingIOError:
        pass


def _be_the_command(words: Sequence[str], folder: Path, scratch: Path, outputs: list[int], file_size: int | None,
                    own_rights: bool) -> None:
    """Become the process of the command; never returns."""
    code = 1
    try:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.dup2(outputs[0], 1)
        os.dup2(outputs[1], 2)
        sys.stdout, sys.stderr = map(_text_stream, (1, 2))
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.chdir(folder)
        tempfile.tempdir = os.environ['TMPDIR'] = str(scratch)
        sys.argv = [PROGRAM, *words]
        resource.setrlimit(resource.RLIMIT_AS, (_memory() + MEMORY, ) * 2)
        if file_size is not None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, ) * 2)
        if own_rights:
            _forgo_override()
        code = _exit_code(words)
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _text_stream(number: int) -> TextIO:
    return os.fdopen(number, 'w', buffering=1, encoding='utf-8', errors='backslashreplace', closefd=False)


def _exit_code(words: Sequence[str]) -> int:
    """Run the command, and end as the interpreter would."""
    from mmseg_uncertainty.cli import main

    from .stand_ins import use_stand_ins
    try:
        use_stand_ins()
        main(list(words), PROGRAM)
    except SystemExit as leaving:
        if leaving.code is None or isinstance(leaving.code, int):
            return leaving.code or 0
        print(f'{MESSAGE}{leaving.code}', file=sys.stderr)
        return 1
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def _memory() -> int:
    """Address space of this process, in bytes."""
    return int(Path('/proc/self/statm').read_text().split()[0]) * resource.getpagesize()


def _forgo_override() -> None:
    """Let permissions of files hold for this process even where it is the superuser's."""
    libc = ctypes.CDLL(None, use_errno=True)
    header, data = (ctypes.c_uint32 * 2)(CAPABILITIES_3, 0), (ctypes.c_uint32 * 6)()
    libc.capget(header, data)
    for word in range(2):
        data[word] &= ~OVERRIDE
    if libc.capset(header, data):
        raise OSError(ctypes.get_errno(), 'capabilities cannot be given up')
