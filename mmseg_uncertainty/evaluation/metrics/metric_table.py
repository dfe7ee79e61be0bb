"""The table that an evaluator prints."""
from __future__ import annotations

from prettytable import PrettyTable

from mmseg_uncertainty.runtime.result_keys import head_and_name

SUFFIXES = '_low', '_high', '_bound'
SHOWN_DIGITS = 5e-4


def metric_table(values: dict[str, float]) -> str:
    """Numbers of every head, one row each; bounds that reach the digits shown stand behind their number.

    Args:
        values: Numbers by key ``<head>/<name>[<protocol>]`` or ``<name>[<protocol>]``; those whose name ends in ``_low``,
            ``_high`` or ``_bound`` belong to another and have no column.
    """
    rows: dict[str, dict[str, float]] = {}
    for key, value in values.items():
        head, name = head_and_name(key)
        rows.setdefault(head, {})[name] = value
    names = list(dict.fromkeys(name for row in rows.values() for name in row))
    names = [name for name in names if _owner(name) not in names]
    table = PrettyTable(['head', *names])
    table.add_rows([[head or '-', *(_cell(row, name) for name in names)] for head, row in rows.items()])
    return table.get_string()


def _owner(name: str) -> str | None:
    """Name of the number that this interval or bound belongs to."""
    stem, bracket, protocol = name.partition('[')
    suffix = next((suffix for suffix in SUFFIXES if stem.endswith(suffix)), None)
    return suffix and stem.removesuffix(suffix) + bracket + protocol


def _cell(row: dict[str, float], name: str) -> str:
    if name not in row:
        return ''
    value, bound = row[name], row.get(name.replace('[', '_bound[', 1), 0.)
    return f'{value:.4g} ± {bound:.2g}' if bound > SHOWN_DIGITS * abs(value) else f'{value:.4g}'
