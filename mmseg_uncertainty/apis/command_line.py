"""What all command-line tools share."""
from __future__ import annotations

from collections.abc import Callable

import torch
from mmengine.config.utils import ConfigParsingError

from mmseg_uncertainty.engine.checkpoints import CheckpointError
from mmseg_uncertainty.runtime.command_line import NAMED_ERRORS, run_plain_command

from .config_errors import explained
from .distributed import leave


def run_command(main: Callable[[], None], on_interrupt: str = 'Run the same command again.') -> None:
    """Run a tool, then leave its processes; see :func:`~mmseg_uncertainty.runtime.command_line.run_plain_command`.

    Subnormal numbers are zero from then on. Weight decay leaves them in channels that are dead, and a processor computes with
    them tens of times as slowly as with others (docs/performance.md). Threads take the setting from the one that starts them.
    """

    def run() -> None:
        torch.set_flush_denormal(True)
        try:
            main()
        except Exception as error:
            told = explained(error)
            if told is error:
                raise
            raise told from error
        leave()

    run_plain_command(run, (CheckpointError, ConfigParsingError, *NAMED_ERRORS), on_interrupt)
