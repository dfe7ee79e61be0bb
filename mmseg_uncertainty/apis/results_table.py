"""Tables of results, one row per head."""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

METRICS = ('AP', 'FPR95', 'AUROC')


def results_table(cells: Mapping[str, Mapping[str, float]], heads: Sequence[str], metrics: Sequence[str] = METRICS) -> str:
    """Markdown table with a row per head and, per dataset, its metrics in percent.

    Args:
        cells: Metrics of one test run (the ``metrics`` of a results file) by title of the column.
        heads: Heads in the order of the rows; one without a value in a column leaves it empty.
        metrics: Names of the metrics, as they start in the keys behind ``IDM_``.
    """
    titles = ['head', *(f'{title}: {" / ".join(metrics)}' for title in cells)]
    best = {title: _best(values, heads, metrics) for title, values in cells.items()}
    rows = [[head, *(_entry(values, head, metrics, best[title]) for title, values in cells.items())] for head in heads]
    return '\n'.join(_line(row) for row in (titles, ['---'] * len(titles), *rows)) + '\n'


def value_of(metrics: Mapping[str, float], head: str, name: str) -> float | None:
    """Value of a metric of a head, whatever its prefix and protocol; ``None`` if it was not measured."""
    for key, value in metrics.items():
        owner, _, rest = key.rpartition('/')
        if owner == head and rest.split('[')[0].removeprefix('IDM_') == name:
            return value
    return None


def _best(values: Mapping[str, float], heads: Iterable[str], metrics: Sequence[str]) -> dict[str, float]:
    best = {}
    for name in metrics:
        present = [value for head in heads if (value := value_of(values, head, name)) is not None]
        if present:
            best[name] = min(present) if name == 'FPR95' else max(present)
    return best


def _entry(values: Mapping[str, float], head: str, metrics: Sequence[str], best: Mapping[str, float]) -> str:
    present = [(name, value_of(values, head, name)) for name in metrics]
    if all(value is None for _, value in present):
        return ''
    return ' / '.join('–' if value is None else f'**{value:.1f}**' if value == best[name] else f'{value:.1f}'
                      for name, value in present)


def _line(entries: Iterable[str]) -> str:
    return f'| {" | ".join(entries)} |'
