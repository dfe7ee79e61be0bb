"""List the datasets that can be read, and what of them is missing."""
from __future__ import annotations

import argparse
import os
from pathlib import Path

from mmseg_uncertainty.runtime.dataset_catalog import CATALOG, Dataset, missing_of
from mmseg_uncertainty.runtime.near_names import did_you_mean
from mmseg_uncertainty.runtime.output_files import OutputError


def execute(args: argparse.Namespace) -> None:
    """Run the command.

    Raises:
        OutputError: The folder of all data is none.
        ValueError: No name has one of the words.
    """
    root = args.data_root or Path(os.environ.get('DATA_ROOT', 'data'))
    if args.data_root and not root.is_dir():
        raise OutputError(f'--data-root {root} is no folder. Give the folder that holds the datasets.')
    chosen = [dataset for dataset in CATALOG if not args.words or any(matches(dataset, word) for word in args.words)]
    if not chosen:
        names = [name for dataset in CATALOG for name in (*dataset.configs, *dataset.title.split())]
        raise ValueError(f'No dataset has {" or ".join(args.words)} in its name.{did_you_mean(args.words[0], names)} Datasets: '
                         f'{", ".join(dataset.title for dataset in CATALOG)}.')
    for dataset in chosen:
        print('\n'.join(lines_of(dataset, root, args.short)))


def matches(dataset: Dataset, word: str) -> bool:
    """Whether a word is in the title of a dataset or in the name of a config."""
    return any(word.lower() in name.lower() for name in (dataset.title, *dataset.configs))


def lines_of(dataset: Dataset, root: Path, short: bool) -> list[str]:
    """What is told of a dataset."""
    missing = missing_of(dataset, root)
    status = f'missing below {root}: {", ".join(missing)}' if missing else 'there' if dataset.parts else 'nothing to download'
    if short:
        return [f'{dataset.configs[0]:<22} {status}']
    told = dict(names=', '.join(dataset.configs), layout=dataset.layout, link=dataset.link, licence=dataset.licence,
                size=dataset.size, state=status)
    return [dataset.title, *(f'    {name:<8} {text}' for name, text in told.items())]
