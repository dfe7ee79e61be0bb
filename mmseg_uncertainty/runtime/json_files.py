"""JSON files that appear whole or not at all."""
from __future__ import annotations

import json
import math
import os
from pathlib import Path


def write_json(path: str | Path, content: dict) -> None:
    """Write JSON that appears whole or not at all; numbers that are not finite become ``null``."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + '.partial')
    partial.write_text(json.dumps(_finite(content), indent=2) + '\n', encoding='utf-8')
    os.replace(partial, path)


def _finite(value):
    if isinstance(value, dict):
        return {key: _finite(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
