"""Write the tables of docs/methods.md, from the ``info`` records of the methods."""
from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from pathlib import Path

from mmseg_uncertainty.structures import MethodInfo

PAGE = Path(__file__).resolve().parents[1] / 'docs/methods.md'
MARK = '<!-- Written by tools/methods_table.py. -->'
SCORES = 'decode_heads'
METHODS = {
    'Uncertainty heads': SCORES, 'Calibrators': 'calibrators', 'Prediction sets': 'set_heads',
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
            names = ['class', 'source', 'needs', *(['unit'] if package == SCORES else []), 'fitted']
            head = f'| {" | ".join(names)} |\n{"|---" * len(names)}|\n'
            parts.append(f'## {title}\n\n{head}' + '\n'.join(rows))
    return '\n\n'.join(parts)


def _rows(package: str) -> Iterator[str]:
    module = importlib.import_module(f'mmseg_uncertainty.models.{package}')
    for name, found in inspect.getmembers(module, inspect.isclass):
        info = vars(found).get('info')
        if info is not None and not inspect.isabstract(found):
            unit = [info.unit] if package == SCORES else []
            cells = [f'`{name}`', _source(info), ', '.join(sorted(info.needs)), *unit, 'yes' if info.fitted else 'no']
            yield f'| {" | ".join(cells)} |'


def _source(info: MethodInfo) -> str:
    title = f'[{info.title}]({info.url})' if info.url else info.title
    venue = f'{info.venue} {info.year}' if info.venue else f'{info.year}'
    return f'{info.authors}, "{title}", {venue}' if info.authors else title


if __name__ == '__main__':
    PAGE.write_text(page_with_tables(PAGE.read_text(encoding='utf-8')), encoding='utf-8')
