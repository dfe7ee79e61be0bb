"""Count the classes of a dataset, and weigh them for a loss.

    python tools/dataset_stats.py CONFIG --out stats.json
    python tools/dataset_stats.py CONFIG --weights square_root --weights-out weights.json

The second file holds one list; a loss reads it as class_weight='weights.json'. Labels are counted as the loss sees them,
after label maps and before augmentation. Kinds of weights: inverse (1/frequency), square_root (1/√frequency),
effective_number ((1 - β)/(1 - βⁿ) of the n images that show a class) and median_frequency.
"""
from __future__ import annotations

import argparse
import json

import mmseg_uncertainty.registered  # noqa: F401  (connects the host before configs are read)
import numpy as np
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS
from tqdm.auto import tqdm

from mmseg_uncertainty.apis import load_config, run_command, type_name, write_json
from mmseg_uncertainty.apis.run_config import data_of
from mmseg_uncertainty.functional.class_weights import class_weights
from mmseg_uncertainty.runtime.output_files import check_output_file, whole_file

KINDS = ('inverse', 'square_root', 'effective_number', 'median_frequency')
LOADING = ('LoadImageFromFile', 'LoadLabels', 'LoadAnnotations', 'LoadInstanceColors', 'RenderToyRoads')


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config with the dataset')
    parser.add_argument('--part', choices=['train', 'val', 'test'], default='train', help='which dataloader of the config')
    parser.add_argument('--data-root', help='folder of the data')
    parser.add_argument('--beta', type=float, default=0.999, help='β of effective_number; default: %(default)s')
    parser.add_argument('--out', metavar='FILE.json', help='write counts, frequencies and all weights here')
    parser.add_argument('--weights', choices=KINDS, help='kind of weights to write with --weights-out')
    parser.add_argument('--weights-out', metavar='FILE.json', help='write one list of weights here')
    parser.add_argument('--debug', action='store_true', help='show the traceback of errors')
    args = parser.parse_args()
    if bool(args.weights) != bool(args.weights_out):
        parser.error('--weights KIND and --weights-out FILE.json belong together')
    return args


def label_dataset(config: Config, part: str, data_root: str | None) -> BaseDataset:
    """The dataset of one dataloader, with a pipeline that only loads.

    Raises:
        ValueError: The config has no such dataloader, or its pipeline loads no labels.
    """
    options = data_of(config, part)
    options.pipeline = [step for step in options.pipeline if type_name(step['type']) in LOADING]
    if not any(type_name(step['type']) != 'LoadImageFromFile' for step in options.pipeline):
        raise ValueError(f'the pipeline of {part}_dataloader has none of the steps {LOADING[1:]}, which load labels.')
    if data_root:
        options.data_root = data_root
    return DATASETS.build(options)


def counts_of(dataset: BaseDataset, classes: int) -> dict[str, np.ndarray]:
    """Pixels of each class, images that show it, and labelled pixels of those images, each (K,), int64."""
    totals = np.zeros((3, classes), np.int64)
    for index in tqdm(range(len(dataset)), desc='images'):
        labels = dataset[index]['gt_seg_map']
        pixels = np.bincount(labels.ravel(), minlength=256)[:classes]
        totals += np.stack([pixels, pixels > 0, np.where(pixels > 0, pixels.sum(), 0)])
    return dict(zip(('pixels', 'images', 'pixels_where_present'), totals))


def main() -> None:
    """Run the tool."""
    args = parse_args()
    for path, option in ((args.out, '--out'), (args.weights_out, '--weights-out')):
        check_output_file(path, option)
    init_default_scope('mmseg')
    dataset = label_dataset(load_config(args.config), args.part, args.data_root)
    names = list(dataset.metainfo['classes'])
    counts = counts_of(dataset, len(names))
    frequencies = counts['pixels'] / max(counts['pixels'].sum(), 1)
    weights = class_weights(**counts, beta=args.beta)
    print(f'{"class":<20}{"pixels":>14}{"%":>9}{"images":>9}' + ''.join(f'{kind:>18}' for kind in KINDS))
    for index, name in enumerate(names):
        print(f'{name:<20}{counts["pixels"][index]:>14,}{100 * frequencies[index]:>9.3f}{counts["images"][index]:>9}'
              + ''.join(f'{weights[kind][index]:>18.3f}' for kind in KINDS))
    if args.out:
        write_json(args.out, dict(
            classes=names, images=len(dataset), frequencies=frequencies.tolist(), beta=args.beta, config=args.config,
            counts={key: value.tolist() for key, value in counts.items()},
            weights={key: value.tolist() for key, value in weights.items()}))
    if args.weights_out:
        with whole_file(args.weights_out) as partial:
            partial.write_text(json.dumps(np.round(weights[args.weights], 6).tolist()) + '\n', encoding='utf-8')


if __name__ == '__main__':
    run_command(main)
