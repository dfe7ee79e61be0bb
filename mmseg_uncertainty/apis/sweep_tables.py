"""Tables of a sweep: every number in one CSV, averages in another, and a report in Markdown."""
from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from mmseg_uncertainty.functional.bravo import FALLING, SEMANTIC
from mmseg_uncertainty.functional.corruption_average import average_corruptions, group_of, harmonic_mean
from mmseg_uncertainty.functional.ranking import auroc
from mmseg_uncertainty.functional.score_histogram import rank_exactly
from mmseg_uncertainty.runtime.output_files import whole_file
from mmseg_uncertainty.runtime.result_keys import head_and_name

from .sweep_cells import FAILED, is_done, note
from .sweep_plan import CLEAN, NO_CALIBRATOR, SweepPlan

DIGITS = {'ECE': 4, 'NLL': 3}
SHARES = dict(mIoU=lambda value: value / 100, ECE=lambda value: 1 - value, IDM_AUROC=lambda value: value / 100,
              IDM_FPR95=lambda value: 1 - value / 100, IDM_AP=lambda value: value / 100)


@dataclass(frozen=True)
class Row:
    """One number of one cell."""

    model: str
    calibrator: str
    dataset: str
    corruption: str
    severity: int
    group: str
    head: str
    metric: str
    protocol: str
    value: float

    @property
    def subject(self) -> tuple[str, str, str, str]:
        """Model, calibrator, dataset and head."""
        return self.model, self.calibrator, self.dataset, self.head


def sweep_rows(plan: SweepPlan, work_dir: Path) -> list[Row]:
    """Numbers of all measured cells, in the order of the plan."""
    cells = [cell for group in plan.groups() for cell in plan.cells(*group)
             if is_done(plan, cell, work_dir, need_data=False)]
    results = {cell: json.loads(cell.path(work_dir).read_text(encoding='utf-8')) for cell in cells}
    rows = []
    for cell, result in results.items():
        for calibrator, metrics in result['metrics'].items():
            if (cell.dataset, cell.corruption) != (plan.reference_of(cell.model), CLEAN):
                inside = _scores(results, plan, cell.model, calibrator)
                metrics = metrics | _image_auroc(_own_scores(result, calibrator), inside)
            for key, value in metrics.items():
                head, name = head_and_name(key)
                metric, _, protocol = name.rstrip(']').partition('[')
                rows.append(Row(**vars(cell) | dict(
                    calibrator=calibrator, group=group_of(cell.corruption), head=head, metric=metric, protocol=protocol,
                    value=math.nan if value is None else value)))
    return rows


def _own_scores(result: Mapping, calibrator: str) -> Mapping:
    return next((part['scores'] for part in result['evaluators'][calibrator] if 'scores' in part), {})


def _scores(results: Mapping, plan: SweepPlan, model: str, calibrator: str) -> Mapping:
    for cell, result in results.items():
        if (cell.model, cell.dataset, cell.corruption) == (model, plan.reference_of(model), CLEAN):
            return _own_scores(result, calibrator)
    return {}


def _image_auroc(shifted: Mapping[str, Sequence[float]], inside: Mapping[str, Sequence[float]]) -> dict[str, float]:
    """AUROC in percent of telling the images of a cell from those of the reference, by head."""
    found = {}
    for head in shifted.keys() & inside.keys():
        ranked = rank_exactly(np.array(shifted[head]), np.array(inside[head]))
        found[f'{head}/OOD-image_AUROC[pooled]'] = 100 * float(auroc(ranked.positives, ranked.negatives))
    return dict(sorted(found.items()))


def failures(plan: SweepPlan, work_dir: Path, *group: str) -> dict[str, str]:
    """Why cells failed, by cell; of the group of a model and a dataset, or of all."""
    groups = [group] if group else plan.groups()
    files = {str(cell): note(cell, work_dir, FAILED) for group in groups for cell in plan.cells(*group)}
    return {cell: json.loads(path.read_text(encoding='utf-8'))['reason'] for cell, path in files.items() if path.is_file()}


def average_rows(plan: SweepPlan, rows: Sequence[Row]) -> list[dict]:
    """Averages by corruption, group, severity and overall; see :func:`average_corruptions`."""
    averaged = []
    for (subject, metric, protocol), values in _by_subject(rows).items():
        clean = values.pop((CLEAN, 0), math.nan)
        found = average_corruptions(values, plan.corruptions_of(subject[2]), plan.severities, plan.averages)
        levels = dict(clean={CLEAN: clean}, corruption=found.corruption, group=found.group, severity=found.severity,
                      overall=dict(overall=found.overall))
        names = dict(zip(('model', 'calibrator', 'dataset', 'head'), subject), metric=metric, protocol=protocol)
        averaged += [dict(names, level=level, name=name, value=value)
                     for level, parts in levels.items() for name, value in parts.items()]
    return averaged


def _by_subject(rows: Iterable[Row]) -> dict[tuple, dict[tuple[str, int], float]]:
    found: dict[tuple, dict] = {}
    for row in rows:
        if not row.metric.endswith(('_low', '_high', '_bound')) and row.head != 'uncalibrated':
            found.setdefault((row.subject, row.metric, row.protocol), {})[row.corruption, row.severity] = row.value
    return found


def domain_rows(plan: SweepPlan, rows: Sequence[Row]) -> list[dict]:
    """Averages over the clean images of each domain, with harmonic means of what is a share, in percent.

    ``harmonic_mean`` takes mIoU, 1 - ECE and, for mistakes, AUROC, AP and 1 - FPR95, as far as they were measured: a summary of
    this sweep, and no number of a benchmark. ``BRAVO_semantic_hmean`` is the semantic half of the BRAVO challenge (Vu et al., 2024)
    over the datasets of the domain; it is there where the evaluators of the sweep hold ``bravo``.
    """
    clean = [row for row in rows if row.corruption == CLEAN]
    subjects = dict.fromkeys((row.model, row.calibrator, row.head) for row in clean if row.head)
    with_bravo = any(row.metric.startswith('BRAVO_') for row in clean)
    found = []
    for model, calibrator, head in subjects:
        own = [row for row in clean if (row.model, row.calibrator) == (model, calibrator) and row.head in ('', head)]
        for domain, members in plan.domains.items():
            inside = [row for row in own if row.dataset in members]
            values = {}
            for metric in dict.fromkeys((*plan.report, *SHARES)):
                parts = [row.value for row in inside if row.metric == metric]
                values[metric] = float(np.mean(parts)) if len(parts) == len(members) else math.nan
            shares = [share(values[metric]) for metric, share in SHARES.items() if not math.isnan(values[metric])]
            means = dict(harmonic_mean=100 * harmonic_mean(shares))
            if with_bravo:
                means['BRAVO_semantic_hmean'] = 100 * _bravo_semantic(inside, len(members))
            found.append(dict(model=model, calibrator=calibrator, head=head, domain=domain, **values, **means))
    return found


def _bravo_semantic(rows: Sequence[Row], datasets: int) -> float:
    """Harmonic mean of all semantic metrics of all datasets, NaN unless each of them has all."""
    shares = []
    for metric in SEMANTIC:
        # The subset may stand behind the name.
        values = [row.value for row in rows if row.metric.partition('.')[0] == f'BRAVO_{metric}']
        if len(values) != datasets:
            return math.nan
        fractions = np.array(values) / (1 if metric == 'ECE' else 100)
        shares += list(1 - fractions if metric in FALLING else fractions)
    return harmonic_mean(shares)


def write_csv(path: Path, rows: Sequence[Mapping]) -> None:
    """Write rows; numbers keep all their digits."""
    with whole_file(path) as partial, partial.open('w', newline='', encoding='utf-8') as file:
        writer = csv.DictWriter(file, list(rows[0]) if rows else [])
        writer.writeheader()
        writer.writerows(rows)


def write_tables(plan: SweepPlan, work_dir: Path, title: str) -> None:
    """Write ``cells.csv``, ``averages.csv``, ``domains.csv`` where domains are named, and ``report.md``."""
    rows = sweep_rows(plan, work_dir)
    averages, domains = average_rows(plan, rows), domain_rows(plan, rows)
    write_csv(work_dir / 'cells.csv', [asdict(row) for row in rows])
    write_csv(work_dir / 'averages.csv', averages)
    if domains:
        write_csv(work_dir / 'domains.csv', domains)
    report = sweep_report(plan, averages, domains, failures(plan, work_dir), title)
    with whole_file(work_dir / 'report.md') as partial:
        partial.write_text(report, encoding='utf-8')


def sweep_report(plan: SweepPlan, averages: Sequence[Mapping], domains: Sequence[Mapping], failed: Mapping[str, str],
                 title: str) -> str:
    """Report in Markdown: one table per dataset and metric, then domains and failed cells."""
    protocol = ('noise counts up to severity 3, as published' if plan.averages == 'published' else 'all severities count')
    parts = [f'# {title}\n', f'Severities {", ".join(map(str, plan.severities))}; every corruption counts the same; {protocol}. '
             'Empty entries are missing. mIoU, PRR and AUROC in %, ECE as a fraction.\n']
    for dataset in plan.datasets:
        for metric in plan.report:
            entries = [entry for entry in averages if entry['dataset'] == dataset and entry['metric'] == metric]
            if entries:
                parts.append(f'## {dataset}: {metric}\n\n{_level_table(entries)}')
    if domains:
        parts.append(f'## Domains\n\n{_dict_table(domains)}')
    if failed:
        lines = ''.join(f'- `{cell}`: {reason}\n' for cell, reason in failed.items())
        parts.append(f'## Failed cells\n\n{lines}')
    return '\n'.join(parts)


def _level_table(entries: Sequence[Mapping]) -> str:
    columns = list(dict.fromkeys((entry['level'], entry['name']) for entry in entries))
    order = ['clean', 'overall', 'group', 'severity', 'corruption']
    columns = [column for level in order for column in columns if column[0] == level]
    subjects = dict.fromkeys((entry['model'], entry['calibrator'], entry['head']) for entry in entries)
    values = {(entry['model'], entry['calibrator'], entry['head'], entry['level'], entry['name']): entry['value']
              for entry in entries}
    if all(math.isnan(value) for (*_, level, _), value in values.items() if level != 'clean'):
        columns = [column for column in columns if column[0] == 'clean']
    titles = [f'severity {name}' if level == 'severity' else str(name).replace('_', ' ') for level, name in columns]
    digits = DIGITS.get(entries[0]['metric'], 1)
    rows = [[_subject(*subject), *(number(values.get((*subject, *column), math.nan), digits) for column in columns)]
            for subject in subjects]
    return table(['model', *titles], rows)


def _dict_table(entries: Sequence[Mapping]) -> str:
    rows = [[number(value, DIGITS.get(key, 1)) if isinstance(value, float) else value for key, value in entry.items()]
            for entry in entries]
    return table(list(entries[0]), rows)


def _subject(model: str, calibrator: str, head: str) -> str:
    return ', '.join(part for part in (model, '' if calibrator == NO_CALIBRATOR else calibrator, head) if part)


def number(value: float, digits: int) -> str:
    """A number of a table; missing ones are empty."""
    return '' if math.isnan(value) else f'{value:.{digits}f}'


def table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Markdown table."""
    return ''.join(f'| {" | ".join(entries)} |\n' for entries in (titles, ['---'] * len(titles), *rows))
