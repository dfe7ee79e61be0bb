"""What a command in a fork does otherwise: it starts processes by forks, and looks at a page instead of waiting."""
from __future__ import annotations

import os
import urllib.request

from .forked import _exit_code


def use_stand_ins() -> None:
    """Replace, in this process, what starts another interpreter or waits for a person."""
    from mmseg_uncertainty.apis import sweep_jobs
    from mmseg_uncertainty.app import serve
    from mmseg_uncertainty.serving import server
    sweep_jobs.run_process = _fork
    server.serve = lambda app, opened: print('would serve')
    served = serve.serve

    def serve_once(*arguments, **options):
        page = served(*arguments, **options)
        page.block_thread = lambda: print(_look_at(page.local_url))
        return page

    serve.serve = serve_once


def _fork(command: list[str]) -> int:
    """Run ``python -m mmseg_uncertainty …`` in a fork; its exit code."""
    child = os.fork()
    if not child:
        code = 1
        try:
            code = _exit_code(command[command.index('mmseg_uncertainty') + 1:])
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _look_at(address: str) -> str:
    with urllib.request.urlopen(address, timeout=30) as answer:
        return f'served: {answer.status}, {"gradio" in answer.read().decode()}'
