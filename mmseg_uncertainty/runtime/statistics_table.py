"""Numbers of many images as one table, CSV or Parquet."""
from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from .output_files import whole_file


def statistics_row(summary: Mapping) -> dict:
    """The numbers of a summary in one row.

    Args:
        summary: What :func:`~mmseg_uncertainty.runtime.prediction_files.summarize_prediction` returns, with ``image`` and
            ``answer``.
    """
    row = {key: summary[key] for key in ('image', 'height', 'width')}
    row['flagged_share'] = summary['answer']['flagged_share']
    for head, numbers in summary['uncertainty'].items():
        row |= {f'{head}_{key}': numbers[key] for key in ('mean', 'smallest', 'largest', 'flagged_share')}
    for name, flags in summary.get('flags', {}).items():
        row |= {f'{name}_{key}': flags[key] for key in ('flagged_share', 'alarm') if key in flags}
    row |= {f'set_{key}': value for key, value in summary.get('prediction_set', {}).items()}
    return row | {f'share of {name}': area['share'] for name, area in summary['classes'].items()}


def write_csv(path: Path, rows: Sequence[Mapping]) -> None:
    """Write rows; a number that an image lacks is left empty."""
    with whole_file(path) as partial, partial.open('w', newline='', encoding='utf-8') as file:
        writer = csv.DictWriter(file, _columns(rows), restval='')
        writer.writeheader()
        writer.writerows(rows)


def write_parquet(path: Path, rows: Sequence[Mapping]) -> None:
    """Write rows as Apache Parquet.

    Raises:
        ModuleNotFoundError: pyarrow is not installed.
    """
    check_parquet()
    import pyarrow
    from pyarrow import parquet
    columns = _columns(rows)
    with whole_file(path) as partial:
        parquet.write_table(pyarrow.Table.from_pylist([{name: row.get(name) for name in columns} for row in rows]), partial)


def check_parquet() -> None:
    """Raise ``ModuleNotFoundError`` unless pyarrow is installed."""
    try:
        import pyarrow  # noqa: F401
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError('--save parquet needs pyarrow, which is not installed. Run `pip install pyarrow`, or save csv.',
                                  name='pyarrow') from error


def _columns(rows: Sequence[Mapping]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))
