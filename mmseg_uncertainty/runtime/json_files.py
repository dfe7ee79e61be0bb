"""JSON files that appear whole or not at all."""
from __future__ import annotations

import json
import math
from pathlib import Path

from .output_files import whole_file


def write_json(path: str | Path, content: dict) -> None:
    """Write JSON that appears whole or not at all.

    Values are those of :func:`plain`.

    Raises:
        OutputError: The file cannot be written.
    """
    text = json.dumps(plain_values(content), indent=2) + '\n'
    with whole_file(path) as partial:
        partial.write_text(text, encoding='utf-8')


def plain_values(value):
    """The value with numbers and arrays of NumPy and of torch as plain ones, and ``None`` for numbers that are not finite."""
    if isinstance(value, dict):
        return {key if isinstance(key, str) else _key(key): plain_values(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain_values(entry) for entry in value]
    if isinstance(value, Path):
        return str(value)
    if hasattr(value, 'tolist'):
        return plain_values(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value


def _key(key):
    return key.item() if hasattr(key, 'item') else key
