"""The main job on rendered streets: fit FlowEneDet to a frozen model, measure every score, draw pictures."""
from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path

import mmseg_uncertainty.registered  # noqa: F401  (connects the host before configs are read)
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS, MODELS
from tqdm.auto import tqdm

from mmseg_uncertainty.apis import results_table
from mmseg_uncertainty.engine.checkpoints import read_checkpoint, state_dict_of
from mmseg_uncertainty.runtime.prediction_files import write_picture
from mmseg_uncertainty.visualization import UncertaintyVisualizer

ROOT = Path(__file__).resolve().parents[1]
CONFIG = ROOT / 'local_configs/segformer/segformer_b0_toy_roads_FED.py'
BASE = ROOT / 'checkpoints/segformer_b0_toy_roads.pth'
COLUMNS = {'mistakes': ('toy_roads', 'IDM'), 'unknown objects': ('toy_roads_anomaly', 'mFishy')}


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--out', type=Path, default=Path('work_dirs/demo'), metavar='DIR',
                        help='where everything goes; default: %(default)s')
    parser.add_argument('--iterations', type=int, default=200, help='training iterations of the flows')
    parser.add_argument('--images', type=int, default=100, help='test images per column of the table')
    parser.add_argument('--pictures', type=int, default=4, help='pictures to draw; default: %(default)s')
    return parser.parse_args()


def run_tool(name: str, *arguments: str | Path) -> None:
    """Run a tool as a user would, and show how."""
    command = [f'tools/{name}.py', *map(str, arguments)]
    print('\n$ python', ' '.join(command), flush=True)
    subprocess.run([sys.executable, ROOT / command[0], *command[1:]], check=True)


def fit(out: Path, iterations: int) -> Path:
    """Fit the flows; an interrupted run goes on where it was."""
    checkpoint = out / f'fed/iter_{iterations}.pth'
    if not checkpoint.is_file():
        run_tool('train', CONFIG, '--load-from', BASE, '--work-dir', out / 'fed', '--resume', '--cfg-options',
                 f'train_cfg.max_iters={iterations}', f'param_scheduler.1.end={iterations}')
    return checkpoint


def measure(out: Path, checkpoint: Path, images: int) -> str:
    """Measure every head on both columns of the table; returns the table."""
    cells = {}
    for title, (dataset, evaluator) in COLUMNS.items():
        path = out / f'{dataset}.json'
        run_tool('test', CONFIG, checkpoint, '--test-dataset', dataset, '--eval', evaluator, '--out', path, '--plot-dir',
                 out / 'plots' / dataset, '--work-dir', out / 'test', '--cfg-options',
                 f'test_dataloader.dataset.length={images}')
        cells[title] = json.loads(path.read_text(encoding='utf-8'))['metrics']
    return results_table(cells, list(Config.fromfile(CONFIG).model.uncertainty_heads))


def draw(out: Path, checkpoint: Path, count: int) -> None:
    """Draw the first test images with unknown objects."""
    init_default_scope('mmseg')
    config = Config.fromfile(CONFIG)
    model = MODELS.build(config.model).eval()
    model.load_state_dict(state_dict_of(read_checkpoint(checkpoint)))
    dataset_config = Config.fromfile(ROOT / 'local_configs/_base_/datasets/toy_roads_anomaly.py').test_dataloader.dataset
    dataset, visualizer = DATASETS.build(dataset_config), UncertaintyVisualizer()
    visualizer.dataset_meta = DATASETS.get('ToyRoadsDataset').METAINFO
    visualizer.scales = model.score_scales()
    for index in tqdm(range(count), desc='pictures'):
        data = dataset[index]
        with torch.no_grad():
            sample = model.test_step(dict(inputs=[data['inputs']], data_samples=[data['data_samples']]))[0]
        image = data['inputs'].numpy()[::-1].transpose(1, 2, 0)
        write_picture(out / f'pictures/{index:02d}.jpg', visualizer.draw(image, sample))


def main() -> None:
    """Run the tool."""
    args = parse_args()
    checkpoint = fit(args.out, args.iterations)
    table = measure(args.out, checkpoint, args.images)
    draw(args.out, checkpoint, args.pictures)
    (args.out / 'results.md').write_text(table, encoding='utf-8')
    print(f'\nAP / FPR95 / AUROC in %, pooled pixels of {args.images} images\n\n{table}\n'
          f'Table: {args.out}/results.md; curves: {args.out}/plots; pictures: {args.out}/pictures')


if __name__ == '__main__':
    main()
