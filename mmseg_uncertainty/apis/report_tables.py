"""Tables of a report: what matters first, what is best in bold, the rest folded."""
from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape
from math import isfinite, isnan

from mmseg_uncertainty.runtime.result_keys import head_and_name
from mmseg_uncertainty.runtime.score_scale import plain_name

SIDES = ('_low', '_high', '_bound')
# Numbers of which less is better, and settings, which are neither good nor bad; of all others more is better.
LESS_IS_BETTER = ('FPR', 'AURC', 'AUGRC', 'risk@', 'ECE', 'MCE', 'KS', 'NLL', 'Brier', 'size', 'misses', 'false_alarms',
                  'selective_risk', 'frame_alarms', 'coverage_error')
NEITHER = ('threshold', 'promised', 'temperature')
NO_BREAK = '\u00a0'
# What the tables show unfolded, as far as it was measured.
MAIN_HEAD = ('AUROC', 'AP', 'FPR95', 'AURC')
MAIN_MODEL = ('mIoU', 'aAcc', 'ECE', 'smooth_ECE', 'NLL', 'Brier')
WORDS = dict(
    AUROC='chance that a pixel that should stand out scores higher than another', AP='precision over all recalls',
    FPR95='share of other pixels flagged when 95 % of those that should be are',
    AURC='mean error rate when the most uncertain pixels are left out', mIoU='overlap of prediction and labels, mean of the classes',
    aAcc='share of right pixels', ECE='how far confidence is from accuracy',
    smooth_ECE='how far confidence is from accuracy, without bins',
    NLL='surprise at the labels',
    Brier='squared error of the probabilities')
BY_CLASS, BY_SIZE = ('IoU', 'Acc', 'Fscore', 'Precision', 'Recall', 'F1'), 'recall'


@dataclass(frozen=True)
class Measured:
    """One number with its interval.

    Args:
        head: Head, ``''`` for the model.
        name: Name with protocol, such as ``IDM_AUROC[pooled]``.
        value: The number.
        low: Lower end of its interval, ``None`` without one.
        high: Upper end.
    """

    head: str
    name: str
    value: float
    low: float | None = None
    high: float | None = None

    @property
    def short(self) -> str:
        """Name without evaluator and protocol."""
        return _short(self.name)

    @property
    def direction(self) -> int:
        """1 where more is better, -1 where less is, 0 for settings."""
        return direction(self.name)


def direction(name: str) -> int:
    """1 where more of a number is better, -1 where less is, 0 for settings.

    Examples:
        >>> direction('IDM_AUROC[pooled]'), direction('IDM_FPR95[pooled]'), direction('IDM_F1_threshold[pooled]')
        (1, -1, 0)
    """
    short = _short(name)
    if any(word in short for word in NEITHER):
        return 0
    return -1 if any(word in short for word in LESS_IS_BETTER) else 1


def measured(metrics: Mapping[str, float]) -> list[Measured]:
    """Numbers with the intervals that belong to them.

    Args:
        metrics: Values by key ``HEAD/NAME[PROTOCOL]`` or ``NAME[PROTOCOL]``; ``NAME_low``, ``NAME_high`` and ``NAME_bound``
            go with NAME.
    """
    found = []
    for key, value in metrics.items():
        stem, bracket, protocol = key.partition('[')
        if any(stem.endswith(side) and stem.removesuffix(side) + bracket + protocol in metrics for side in SIDES):
            continue
        low, high = (metrics.get(f'{stem}{side}{bracket}{protocol}') for side in ('_low', '_high'))
        found.append(Measured(*head_and_name(key), value, low, high))
    return found


def metrics_tables(metrics: Mapping[str, float], scenes: Iterable[tuple[str, int, float]] = ()) -> str:
    """HTML of all numbers: the main ones of heads and model, by class, by size, by scene, and the rest folded.

    Args:
        metrics: See :func:`measured`.
        scenes: Name, images and share of right pixels of each scene.
    """
    numbers = measured(metrics)
    of_classes = [number for number in numbers if _part(number, BY_CLASS)]
    of_sizes = [number for number in numbers if number not in of_classes and '.' in number.short
                and number.short.startswith(BY_SIZE)]
    others = [number for number in numbers if number not in of_classes and number not in of_sizes]
    main = [number for number in others if number.short in (MAIN_HEAD if number.head else MAIN_MODEL)]
    rest = [number for number in others if number not in main]
    heads = _table([number for number in main if number.head], MAIN_HEAD)
    model = _table([number for number in main if not number.head], MAIN_MODEL)
    folded = ''.join(_long_table(title, part) for title, part in (
        ('By class', of_classes), ('By size or distance of the object', of_sizes), ('All other numbers', rest)) if part)
    return f'{heads}{model}{_glossary(main)}{folded}{scenes_table(list(scenes))}'


def scenes_table(scenes: Sequence[tuple[str, int, float]], most: int = 30) -> str:
    """Folded table of scenes, worst first; ``''`` unless there are two."""
    if len(scenes) < 2:
        return ''
    worst = sorted(scenes, key=lambda scene: scene[2])[:most]
    rows = ''.join(f'<tr><td>{escape(name)}</td><td>{images}</td><td>{100 * right:.1f}</td></tr>' for name, images, right in worst)
    more = f' (the {most} worst of {len(scenes)})' if len(scenes) > most else ''
    return _folded(f'By scene{more}', f'<table><thead><tr><th>scene</th><th>images</th><th>right pixels, % ↑</th></tr></thead>'
                                      f'<tbody>{rows}</tbody></table>')


def summary(metrics: Mapping[str, float]) -> str:
    """HTML list of sentences: how good model and probabilities are, which score finds mistakes best and which worst."""
    numbers = measured(metrics)
    model = {number.short: number for number in numbers if not number.head and not _part(number, BY_CLASS)}
    lines = []
    if 'mIoU' in model:
        lines.append(f'mIoU <b>{_words(model["mIoU"])}</b> %: {WORDS["mIoU"]}{_weakest_class(numbers)}.')
    if 'ECE' in model:
        lines.append(f'ECE <b>{_words(model["ECE"])}</b>: {_calibration(model["ECE"].value)}.')
    for name in ('AUROC', 'AURC'):
        column = [number for number in numbers if number.head and number.short == name and isfinite(number.value)]
        if not column:
            continue
        ordered = sorted(column, key=lambda number: -number.direction * number.value)
        best = ordered[0]
        line = f'<b>{escape(plain_name(best.head))}</b> is best by {name}, {_words(best)} %: {WORDS[name]}'
        if len(ordered) > 1:
            worst = ordered[-1]
            line += f'{_doubt(best, ordered[1])}. Worst is {escape(plain_name(worst.head))} ({_digits(worst.value)} %)'
        lines.append(line + '.')
    return f'<ul class="summary">{"".join(f"<li>{line}</li>" for line in lines)}</ul>' if lines else ''


def comparison(metrics: Mapping[str, float], other: Mapping[str, float], names: tuple[str, str]) -> str:
    """HTML table of the main numbers of two runs side by side.

    Args:
        metrics: Numbers of this run.
        other: Numbers of the other.
        names: What to call the two.
    """
    here = {(number.head, number.name): number for number in measured(metrics)}
    there = {(number.head, number.name): number for number in measured(other)}
    both = [key for key in here if key in there and not _part(here[key], BY_CLASS)]
    if not both:
        return '<p>The two runs have no number in common: another protocol, other heads or other evaluators.</p>'
    rows = [(key[0] or 'model', here[key], there[key]) for key in both]
    main = [row for row in rows if row[1].short in (MAIN_HEAD if row[1].head else MAIN_MODEL)]
    rest = [row for row in rows if row not in main]
    note = '<p class="facts">▲ better here, ▼ worse here; ≈ intervals overlap, so that it may be chance.</p>'
    more = _folded('All other numbers', _pairs(rest, names)) if rest else ''
    return f'<div class="table">{_pairs(main, names)}</div>{note}{more}' if main else more


def _pairs(rows: Sequence[tuple[str, Measured, Measured]], names: tuple[str, str]) -> str:
    body = ''.join(
        f'<tr><td>{escape(owner)} {escape(here.short)}{_arrow(here).replace(" ", NO_BREAK)}</td>{_cell(here)}{_cell(there)}'
        f'<td>{_change(here, there)}</td></tr>'
        for owner, here, there in rows)
    head = ''.join(f'<th>{escape(name)}</th>' for name in ('', *names, 'change'))
    return f'<table class="sides"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _change(here: Measured, there: Measured) -> str:
    difference = here.value - there.value
    if not isfinite(difference):
        return '–'
    # As many decimals as the numbers that are compared.
    decimals = len(_digits(here.value).partition('.')[2])
    words = f'{difference:+.{decimals}f}'.replace('-', '−') if round(difference, decimals) else '0'
    if words == '0' or not here.direction:
        return words
    return f'{words}{NO_BREAK}{"▲" if difference * here.direction > 0 else "▼"}{"≈" if _overlap(here, there) else ""}'


def _overlap(one: Measured, other: Measured) -> bool:
    ends = (one.low, one.high, other.low, other.high)
    return not any(end is None or isnan(end) for end in ends) and one.low <= other.high and other.low <= one.high


def _doubt(best: Measured, second: Measured) -> str:
    if not _overlap(best, second):
        return ''
    return f'; its interval overlaps that of {escape(plain_name(second.head))}, so the two may be alike'


def _weakest_class(numbers: Sequence[Measured]) -> str:
    classes = [number for number in numbers if number.short.startswith('IoU.') and isfinite(number.value)]
    if len(classes) < 2:
        return ''
    worst = min(classes, key=lambda number: number.value)
    return f'; the weakest is {escape(worst.short.removeprefix("IoU."))} ({_digits(worst.value)} %)'


def _calibration(error: float) -> str:
    return ('confidence and accuracy are close' if error < 0.02 else 'confidence and accuracy differ somewhat' if error < 0.05
            else 'confidence cannot be taken at its word; fit a calibrator')


def _table(numbers: Sequence[Measured], order: Sequence[str]) -> str:
    """Rows by head and columns by name, the best of each column in bold."""
    names = sorted(dict.fromkeys(number.name for number in numbers), key=lambda name: order.index(_short(name)))
    cells = {(number.head, number.name): number for number in numbers}
    heads = list(dict.fromkeys(number.head for number in numbers))
    best = {name: _best([cells[head, name] for head in heads if (head, name) in cells]) for name in names}
    head_row = ''.join(f'<th title="{escape(name)}">{escape(_column(name, names))}{_arrow_of(name)}</th>' for name in names)

    def cell(head: str, name: str) -> str:
        number = cells.get((head, name))
        return _cell(number, len(heads) > 1 and number is best[name])

    body = ''.join(f'<tr><td>{escape(head or "model")}</td>{"".join(cell(head, name) for name in names)}</tr>' for head in heads)
    return (f'<div class="table"><table><thead><tr><th></th>{head_row}</tr></thead><tbody>{body}</tbody></table></div>'
            if numbers else '')


def _long_table(title: str, numbers: Sequence[Measured]) -> str:
    """Folded table with a number in each row."""
    rows = ''.join(f'<tr><td>{escape(number.head or "model")}</td><td>{escape(number.name)}{_arrow(number)}</td>{_cell(number)}</tr>'
                   for number in numbers)
    return _folded(title, f'<table class="long"><tbody>{rows}</tbody></table>')


def _folded(title: str, content: str) -> str:
    return f'<details><summary>{escape(title)}</summary><div class="table">{content}</div></details>'


def _glossary(numbers: Sequence[Measured]) -> str:
    names = dict.fromkeys(number.short for number in numbers)
    words = '; '.join(f'<b>{escape(name)}</b> {WORDS[name]}' for name in names if name in WORDS)
    note = 'In percent; ECE, NLL and Brier are not. ↑ more is better, ↓ less is better.'
    return f'<p class="facts">{note} {words}.</p>' if words else ''


def _best(numbers: Sequence[Measured]) -> Measured | None:
    comparable = [number for number in numbers if isfinite(number.value)]
    return max(comparable, key=lambda number: number.direction * number.value) if comparable and comparable[0].direction else None


def _cell(number: Measured | None, best: bool = False) -> str:
    if number is None:
        return '<td>–</td>'
    interval = '' if number.low is None or number.high is None else f'<small>{_digits(number.low)} … {_digits(number.high)}</small>'
    value = _digits(number.value)
    return f'<td>{f"<b>{value}</b>" if best else value}{interval}</td>'


def _words(number: Measured) -> str:
    interval = '' if number.low is None or number.high is None or isnan(number.low) else (
        f' ({_digits(number.low)} … {_digits(number.high)})')
    return f'{_digits(number.value)}{interval}'


def _digits(value: float) -> str:
    """Four significant digits, with as many zeros at the end as that takes.

    Examples:
        >>> _digits(33.0), _digits(33.184), _digits(0.0412), _digits(100.0)
        ('33.00', '33.18', '0.04120', '100.0')
    """
    return f'{value:#.4g}'.rstrip('.') if isfinite(value) and (not value or 1e-4 <= abs(value) < 1e4) else f'{value:.4g}'


def _column(name: str, names: Sequence[str]) -> str:
    """The short name, unless columns of another evaluator or protocol share it."""
    return _short(name) if sum(_short(other) == _short(name) for other in names) == 1 else name


def _short(name: str) -> str:
    stem = name.split('[')[0]
    evaluator, bar, rest = stem.partition('_')
    return rest if bar and evaluator.isupper() and evaluator not in ('ECE', ) else stem


def _part(number: Measured, wholes: Sequence[str]) -> bool:
    """Whether this is a number of one class."""
    return '.' in number.short and number.short.split('.')[0].split('_')[-1] in wholes


def _arrow(number: Measured) -> str:
    return _arrow_of(number.name)


def _arrow_of(name: str) -> str:
    return {1: ' ↑', -1: ' ↓', 0: ''}[direction(name)]
