"""List the images of BDD100K that show a train, a motorcycle or a bicycle: the test images of BDD-Anomaly.

    python tools/dataset_converters/bdd_anomaly.py --source data/bdd100k

reads every label once (8,000) and writes ``bdd_anomaly_test.txt`` into the folder. The authors count 810 images.
"""
from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from tqdm.auto import tqdm

from mmseg_uncertainty.datasets import DatasetError
from mmseg_uncertainty.datasets.anomaly_tables import BDD_ANOMALY
from mmseg_uncertainty.datasets.bdd_anomaly_dataset import IMAGES, LABELS, LIST
from mmseg_uncertainty.datasets.benchmark_dataset import first_folder
from mmseg_uncertainty.datasets.image_files import index_by_stem, read_labels
from mmseg_uncertainty.label_values import ANOMALY
from mmseg_uncertainty.runtime.command_line import run_plain_command
from mmseg_uncertainty.runtime.output_files import whole_file

OFFICIAL = 810


def images_with_anomalies(source: Path) -> list[str]:
    """Paths of the images below their folder.

    Raises:
        DatasetError: Folders are missing, or a label has no image.
    """
    folders = [source / first_folder(source, names, 'BDD-Anomaly') for names in (IMAGES, LABELS)]
    images, labels = index_by_stem(folders[0]), index_by_stem(folders[1], ('_train_id', ))
    anomalous = [label for label, kind in BDD_ANOMALY.items() if kind == ANOMALY]
    found = []
    for key, path in tqdm(labels.items(), desc='labels', disable=None):
        if np.isin(anomalous, read_labels(path)).any():
            if key not in images:
                raise DatasetError(f'{path} has no image in {folders[0]}. Complete the download.')
            found.append(images[key].relative_to(folders[0]).as_posix())
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--source', type=Path, required=True, metavar='DIR', help='folder of BDD100K')
    args = parser.parse_args(arguments)

    def write() -> None:
        found = images_with_anomalies(args.source)
        with whole_file(args.source / LIST) as partial:
            partial.write_text(''.join(f'{name}\n' for name in found), encoding='utf-8')
        note = '' if len(found) == OFFICIAL else f'; the authors count {OFFICIAL}'
        print(f'{len(found)} images with anomalies{note}: {args.source / LIST}')

    run_plain_command(write)


if __name__ == '__main__':
    main()
