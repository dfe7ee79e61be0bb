"""Fit and measure every model on every dataset at hand, and write the tables of docs/results.md."""
from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import mmseg_uncertainty  # noqa: F401  (connects the host before configs are read)
from mmengine.config import Config
from tqdm.auto import tqdm

from mmseg_uncertainty.apis import results_table

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get('DATA_ROOT', ROOT / 'data'))
ANOMALIES, MISTAKES = 'mFishy', 'IDM'
TITLES = dict(fs_static='FS Static', fs_lost_found='FS Lost & Found', road_anomaly='RoadAnomaly', camvid='CamVid test',
              toy_roads='ToyRoads test', toy_roads_anomaly='ToyRoads, unknown objects')


@dataclass(frozen=True)
class Study:
    """A base model with what its flows are fitted on and what it is measured on.

    Args:
        title: Heading of the table.
        config: Path of its configs below ``local_configs``, without suffix.
        base: Base checkpoint.
        fitted_on: What the flows of the table were fitted on, in words.
        tests: Evaluator of each test dataset.
    """

    title: str
    config: str
    base: Path
    fitted_on: str
    tests: dict[str, str]

    @property
    def fed_config(self) -> Path:
        """Config with every stateless score and both flows."""
        return ROOT / f'local_configs/{self.config}_FED.py'


CAMVID = 'FED-U and FED-C fitted on CamVid train (367 images, its own 11 classes; void pixels ignored)'
STUDIES = [
    Study('ERFNet, trained on Cityscapes', 'erfnet/erfnet_cityscapes', DATA / 'weights/erfnet_cityscapes_mmseg.pth',
          'FED-U and FED-C fitted on CamVid train (367 images, labels translated to the Cityscapes classes of the same '
          'meaning; bicyclists and void ignored)',
          dict(fs_static=ANOMALIES, fs_lost_found=ANOMALIES, road_anomaly=ANOMALIES)),
    Study('DeepLabV3+ MobileNetV2, trained on CamVid', 'deeplabv3plus/deeplabv3plus_mnv2_camvid',
          ROOT / 'checkpoints/deeplabv3plus_mnv2_camvid.pth', CAMVID, dict(camvid=MISTAKES, road_anomaly=ANOMALIES)),
    Study('SegFormer-B0, trained on CamVid', 'segformer/segformer_b0_camvid', ROOT / 'checkpoints/segformer_b0_camvid.pth',
          CAMVID, dict(camvid=MISTAKES, road_anomaly=ANOMALIES)),
    Study('SegFormer-B0, trained on ToyRoads', 'segformer/segformer_b0_toy_roads',
          ROOT / 'checkpoints/segformer_b0_toy_roads.pth', 'FED-U and FED-C fitted on ToyRoads train',
          dict(toy_roads=MISTAKES, toy_roads_anomaly=ANOMALIES)),
]


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--only', nargs='+', metavar='TITLE', help='studies whose title contains one of these words')
    parser.add_argument('--work-dir', type=Path, default=ROOT / 'work_dirs/results')
    parser.add_argument('--out', type=Path, default=ROOT / 'docs/results.md')
    return parser.parse_args()


def run_tool(name: str, *arguments: str | Path) -> None:
    """Run a tool of this project and stop at its first failure."""
    subprocess.run([sys.executable, ROOT / f'tools/{name}.py', *map(str, arguments)], check=True)


def fitted(study: Study, folder: Path) -> Path:
    """Checkpoint with fitted flows; what an earlier run finished is kept, what it began goes on."""
    iterations = Config.fromfile(study.fed_config).train_cfg.max_iters
    checkpoint = folder / f'iter_{iterations}.pth'
    if not checkpoint.is_file():
        run_tool('train', study.fed_config, '--load-from', study.base, '--work-dir', folder, '--resume')
    return checkpoint


def measured(study: Study, folder: Path) -> Iterator[tuple[str, dict]]:
    """Title of the column and results of every test dataset."""
    for dataset, evaluator in tqdm(study.tests.items(), desc=study.title):
        path = folder / f'{dataset}.json'
        if not path.is_file():
            run_tool('test', study.fed_config, fitted(study, folder), '--test-dataset', dataset, '--eval', evaluator, '--out',
                     path, '--work-dir', folder)
        yield f'{TITLES[dataset]} ({"unknown objects" if evaluator == ANOMALIES else "mistakes"})', json.loads(path.read_text())


def section(study: Study, folder: Path) -> str:
    """Table of one study with what it was measured on."""
    runs = dict(measured(study, folder))
    heads = list(Config.fromfile(study.fed_config).model.uncertainty_heads)
    table = results_table({title: run['metrics'] for title, run in runs.items()}, heads)
    counts = '; '.join(f'{title}: {run["images"]} images, {run["evaluators"][0]["positives"]:,} positives and '
                       f'{run["evaluators"][0]["negatives"]:,} negatives' for title, run in runs.items())
    command = f'`python tools/make_results.py --only "{study.title}"`'
    return f'## {study.title}\n\n{study.fitted_on}. {counts}. Made by {command}.\n\n{table}'


INTRODUCTION = """# Results

AP / FPR95 / AUROC in %, protocol `pooled`: the pixels of all images of a column together, step-wise average precision, false
positive rate at the first threshold that finds 95 % of the positives, void pixels left out, maps at the size of the labels.
The best number of a column is bold. Mistakes are pixels whose predicted class is wrong; unknown objects are those the
dataset labels as anomalies. One seed. Intervals and error bounds are in the results files that `tools/test.py --out` writes.
"""


def main() -> None:
    """Run the tool."""
    args = parse_args()
    sections = {}
    for study in STUDIES:
        folder = args.work_dir / Path(study.config).name
        wanted = not args.only or any(word in study.title for word in args.only)
        if wanted or all((folder / f'{dataset}.json').is_file() for dataset in study.tests):
            sections[study.title] = section(study, folder)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text('\n'.join([INTRODUCTION, *sections.values()]), encoding='utf-8')


if __name__ == '__main__':
    main()
