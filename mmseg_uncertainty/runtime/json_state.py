"""Reads states that this package wrote as JSON."""
from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path


def read_state(path: str | Path, kind: str, version: int, keys: Sequence[str]) -> dict:
    """Read a state and check what it is.

    Args:
        path: The file.
        kind: What ``kind`` in it must be.
        version: What ``format`` in it must be.
        keys: What else it must have.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: The file holds something else.
    """
    path = Path(path)
    try:
        state = json.loads(path.read_text(encoding='utf-8'))
    except ValueError as error:
        raise ValueError(f'{path} is no JSON ({error}). Give a file that a {kind} has written.') from error
    found = state.get('kind') if isinstance(state, dict) else type(state).__name__
    if found != kind:
        raise ValueError(f'{path} holds {found!r}, expected the state of a {kind}. Give a file that one has written.')
    missing = [key for key in keys if key not in state]
    if state.get('format') != version or missing:
        raise ValueError(f'{path} is of format {state.get("format")}, expected {version}; missing: {missing or "nothing"}. '
                         'Calibrate again with this version.')
    return state
