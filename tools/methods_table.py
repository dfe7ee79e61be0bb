"""Write the tables of docs/methods.md, from the ``info`` records of the methods."""
from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path

PAGE = Path(__file__).resolve().parents[1] / 'docs/methods.md'
MARK = '<!-- Written by tools/methods_table.py. -->'
METHODS = {
    'Uncertainty heads': 'decode_heads', 'Calibrators': 'calibrators', 'Prediction sets': 'set_heads',
    'Filters': 'filters'}


def page_with_tables(page: str) -> str:
    """The page with its tables, whatever stood below the mark."""
    introduction, mark, _ = page.partition(MARK)
    if not mark:
        raise ValueError(f'{PAGE} has no line {MARK!r}, below which the tables stand. Put it back.')
    return f'{introduction}{MARK}\n\n{methods_table()}\n'


def methods_table() -> str:
    """Markdown tables of all methods."""
    parts = []
    for title, package in METHODS.items():
        rows = sorted(set(_rows(package)))
        if rows:
            head = '| class | source | needs | fitted |\n|---|---|---|---|\n'
            parts.append(f'## {title}\n\n{head}' + '\n'.join(rows))
    return '\n\n'.join(parts)


def _rows(package: str) -> Iterator[str]:
    module = importlib.import_module(f'mmseg_uncertainty.models.{package}')
    for name, found in inspect.getmembers(module, inspect.isclass):
        info = vars(found).get('info')
        if info is not None and not inspect.isabstract(found):
            source = f'{info.authors}, "{info.title}", {info.year}' if info.authors else info.title
            yield f'| `{name}` | {source} | {", ".join(sorted(info.needs))} | {"yes" if info.fitted else "no"} |'


if __name__ == '__main__':
    PAGE.write_text(page_with_tables(PAGE.read_text(encoding='utf-8')), encoding='utf-8')
