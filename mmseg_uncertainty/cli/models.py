"""List the models that go by a name."""
from __future__ import annotations

import argparse

import yaml

from mmseg_uncertainty.runtime.shipped_files import INDEX, models_folder

from mmseg_uncertainty.runtime.near_names import did_you_mean


def execute(args: argparse.Namespace) -> None:
    """Run the command.

    Raises:
        ValueError: No name has one of the words.
    """
    entries = index_entries()
    chosen = {name: entry for name, entry in entries.items()
              if not args.words or any(word.lower() in name.lower() for word in args.words)}
    if not chosen:
        parts = [part for name in entries for part in name.split('_')]
        raise ValueError(f'No model has {" or ".join(args.words)} in its name.{did_you_mean(args.words[0], parts)} Models: '
                         f'{", ".join(entries)}.')
    for name, entry in chosen.items():
        results = ', '.join(f'{key} {value} on {result["Dataset"]}' for result in entry.get('Results', [])
                            for key, value in result['Metrics'].items())
        print(f'{name}\n    for {entry["Metadata"].get("For", "images like its training data")}; trained on '
              f'{entry["Metadata"]["Training Data"]}\n    {results}')


def index_entries() -> dict[str, dict]:
    """Entries of the model index by name."""
    root = models_folder()
    files = yaml.safe_load((root / INDEX).read_text(encoding='utf-8'))['Import']
    entries = [entry for file in files for entry in yaml.safe_load((root / file).read_text(encoding='utf-8'))['Models']]
    return {entry['Name']: entry for entry in entries}
