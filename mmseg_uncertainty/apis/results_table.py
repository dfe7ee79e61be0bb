"""Tables of results, one row per head."""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import mean, stdev

from mmseg_uncertainty.runtime.result_keys import head_and_name

Runs = Mapping[str, float] | Sequence[Mapping[str, float]]
METRICS = ('AP', 'FPR95', 'AUROC')


def results_table(cells: Mapping[str, Runs], heads: Sequence[str], metrics: Sequence[str] = METRICS) -> str:
    """Markdown table with a row per head and, per dataset, its metrics in percent.

    Args:
        cells: Metrics (the ``metrics`` of a results file) by title of the column, of one test run or of several, such as
            one per seed: then mean ± standard deviation (n − 1) where they differ.
        heads: Heads in the order of the rows; one without a value in a column leaves it empty.
        metrics: Names of the metrics, as they start in the keys behind ``IDM_``.
    """
    titles = ['head', *(f'{title}: {" / ".join(metrics)}' for title in cells)]
    runs = {title: [values] if isinstance(values, Mapping) else values for title, values in cells.items()}
    best = {title: _best(values, heads, metrics) for title, values in runs.items()}
    rows = [[head, *(_entry(values, head, metrics, best[title]) for title, values in runs.items())] for head in heads]
    return '\n'.join(_line(row) for row in (titles, ['---'] * len(titles), *rows)) + '\n'


def page_sections(page: Path) -> dict[str, str]:
    """Sections that a Markdown page holds, by title; none where there is no page yet."""
    parts = page.read_text(encoding='utf-8').split('\n## ')[1:] if page.is_file() else []
    return {part.split('\n')[0]: f'## {part.rstrip()}\n' for part in parts}


def value_of(metrics: Mapping[str, float], head: str, name: str) -> float | None:
    """Value of a metric of a head, whatever its prefix and protocol; ``None`` if it was not measured."""
    for key, value in metrics.items():
        owner, rest = head_and_name(key)
        if owner == head and rest.split('[')[0].removeprefix('IDM_') == name:
            return value
    return None


def _measured(runs: Sequence[Mapping[str, float]], head: str, name: str) -> list[float]:
    return [value for run in runs if (value := value_of(run, head, name)) is not None]


def _best(runs: Sequence[Mapping[str, float]], heads: Iterable[str], metrics: Sequence[str]) -> dict[str, float]:
    best = {}
    for name in metrics:
        present = [mean(values) for head in heads if (values := _measured(runs, head, name))]
        if present:
            best[name] = min(present) if name == 'FPR95' else max(present)
    return best


def _entry(runs: Sequence[Mapping[str, float]], head: str, metrics: Sequence[str], best: Mapping[str, float]) -> str:
    values = {name: _measured(runs, head, name) for name in metrics}
    if not any(values.values()):
        return ''
    return ' / '.join(_number(each, best.get(name)) if each else '–' for name, each in values.items())


def _number(values: Sequence[float], best: float | None) -> str:
    spread = f' ± {stdev(values):.1f}' if len(set(values)) > 1 else ''
    number = f'{mean(values):.1f}{spread}'
    return f'**{number}**' if mean(values) == best else number


def _line(entries: Iterable[str]) -> str:
    return f'| {" | ".join(entries)} |'
