"""Fit and measure every model on every dataset at hand, and write the tables of docs/results.md."""
from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import mmseg_uncertainty  # noqa: F401  (connects the host before configs are read)
from mmengine.config import Config
from tqdm.auto import tqdm

from mmseg_uncertainty.apis import results_table
from mmseg_uncertainty.apis.results_table import page_sections

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get('DATA_ROOT', ROOT / 'data'))
ANOMALIES, MISTAKES = 'mFishy', 'IDM'
SEEDS = dict(FED=3, OUTLIERS=3)
TITLES = dict(fs_static='FS Static', fs_lost_found='FS Lost & Found', road_anomaly='RoadAnomaly', camvid='CamVid test',
              toy_roads='ToyRoads test', toy_roads_anomaly='ToyRoads, unknown objects')


@dataclass(frozen=True)
class Study:
    """A base model with what its heads are fitted on and what it is measured on.

    Args:
        title: Heading of the table.
        config: Path of its configs below ``local_configs``, without suffix.
        base: Base checkpoint.
        fitted_on: What the heads of the table were fitted on, in words.
        tests: Evaluator of each test dataset.
    """

    title: str
    config: str
    base: Path
    fitted_on: str
    tests: dict[str, str]

    def config_of(self, suffix: str) -> Path:
        """Config of this base with these heads."""
        return ROOT / f'local_configs/{self.config}_{suffix}.py'

    def runs(self, suffixes: Sequence[str]) -> dict[str, list[int]]:
        """Seeds of the fits of each config that this base has; statistics need one."""
        return {suffix: list(range(SEEDS.get(suffix, 1)))
                for suffix in suffixes if self.config_of(suffix).is_file()}


CAMVID = ('Fitted on CamVid train (367 images): statistics and the mistakes on its own 11 classes, void pixels ignored; '
          'outliers are polygons pasted into these images with the texture of IDD-lite train images in other hues, or noise')
FURTHER = dict(OUTLIERS='`fedc_outliers` also learns from 700 IDD-lite train images with such polygons: pixels with any label '
                        'there are inliers. ')
OBJECTS = dict(fs_static=ANOMALIES, fs_lost_found=ANOMALIES, road_anomaly=ANOMALIES)
STUDIES = [
    Study('DeepLabV3+ MobileNetV2, trained on CamVid', 'deeplabv3plus/deeplabv3plus_mnv2_camvid',
          ROOT / 'checkpoints/deeplabv3plus_mnv2_camvid.pth', CAMVID, dict(camvid=MISTAKES, **OBJECTS)),
    Study('SegFormer-B0, trained on CamVid', 'segformer/segformer_b0_camvid', ROOT / 'checkpoints/segformer_b0_camvid.pth',
          CAMVID, dict(camvid=MISTAKES, **OBJECTS)),
    Study('CGNet, trained on CamVid', 'cgnet/cgnet_camvid', DATA / 'weights/cgnet_camvid11_mmseg.pth',
          CAMVID.replace('(367 images)', '(367 images, which the model was trained on together with val)'),
          dict(camvid=MISTAKES, **OBJECTS)),
    Study('ERFNet, trained on Cityscapes', 'erfnet/erfnet_cityscapes', DATA / 'weights/erfnet_cityscapes_mmseg.pth',
          CAMVID.replace('its own 11 classes', 'the Cityscapes classes that its labels translate to')
          .replace('void pixels', 'bicyclists and void pixels'), OBJECTS),
    Study('SegFormer-B0, trained on ToyRoads', 'segformer/segformer_b0_toy_roads',
          ROOT / 'checkpoints/segformer_b0_toy_roads.pth',
          'Fitted on ToyRoads train: its mistakes, and polygons of noise pasted in as outliers',
          dict(toy_roads=MISTAKES, toy_roads_anomaly=ANOMALIES)),
]


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        '--only', nargs='+', metavar='TITLE',
        help='studies whose title contains one of these words; others stay as the page has them')
    parser.add_argument('--configs', nargs='+', default=['FED', 'OUTLIERS', 'BASELINES', 'PUBLISHED'], metavar='SUFFIX',
                        help='whose heads to compare')
    parser.add_argument('--work-dir', type=Path, default=ROOT / 'work_dirs/results', metavar='DIR',
                        help='where fits and measurements are kept')
    parser.add_argument('--cache', type=Path, default=ROOT / 'work_dirs/cache', help='see docs/performance.md')
    parser.add_argument('--out', type=Path, default=ROOT / 'docs/results.md', metavar='FILE', help='page to write')
    return parser.parse_args()


def run_tool(name: str, *arguments: str | Path) -> None:
    """Run a tool of this project and stop at its first failure."""
    subprocess.run([sys.executable, ROOT / f'tools/{name}.py', *map(str, arguments)], check=True)


def fitted(config: Path, base: Path, folder: Path, cache: Path, seed: int) -> Path:
    """Checkpoint with fitted heads; what an earlier run finished is kept, what it began goes on."""
    loop = Config.fromfile(config).train_cfg
    by_statistics = loop.type == 'CalibrationLoop'
    checkpoint = folder / ('calibrated.pth' if by_statistics else f'iter_{loop.max_iters}.pth')
    if not checkpoint.is_file():
        resume = [] if by_statistics else ['--resume']
        run_tool('train', config, '--load-from', base, '--work-dir', folder, '--cache', cache, *resume, '--cfg-options',
                 f'randomness.seed={seed}')
    return checkpoint


def measured(study: Study, suffixes: Sequence[str], folder: Path, cache: Path) -> Iterator[tuple[str, list[dict]]]:
    """Title of the column and results of every run, for every test dataset."""
    runs = [(suffix, seed) for suffix, seeds in study.runs(suffixes).items() for seed in seeds]
    config_heads = {suffix: set(Config.fromfile(study.config_of(suffix)).model.uncertainty_heads) for suffix, _ in runs}
    for dataset, evaluator in tqdm(study.tests.items(), desc=study.title):
        results = []
        for suffix, seed in runs:
            run = folder / f'{suffix}_{seed}'
            path = run / f'{dataset}.json'
            if not path.is_file():
                config = study.config_of(suffix)
                checkpoint = fitted(config, study.base, run, cache, seed)
                # CamVid's own split takes training and test images from one sequence, for base models and flows as well.
                run_tool('test', config, checkpoint, '--test-dataset', dataset, '--eval', evaluator, '--out', path,
                         '--work-dir', run, '--cache', cache, '--allow-overlap')
            results.append(of_heads(json.loads(path.read_text(encoding='utf-8')), config_heads[suffix]))
        yield f'{TITLES[dataset]} ({"unknown objects" if evaluator == ANOMALIES else "mistakes"})', results


def of_heads(results: dict, heads: Collection[str]) -> dict:
    """Results without heads that a config no longer has."""
    return results | dict(metrics={key: value for key, value in results['metrics'].items() if key.split('/')[0] in heads})


def section(study: Study, suffixes: Sequence[str], folder: Path, cache: Path) -> str:
    """Table of one study with what it was measured on."""
    columns = dict(measured(study, suffixes, folder, cache))
    models = [Config.fromfile(study.config_of(suffix)).model for suffix in study.runs(suffixes)]
    heads = dict.fromkeys(head for model in models for head in model.uncertainty_heads)
    table = results_table({title: [run['metrics'] for run in runs] for title, runs in columns.items()},
                          sorted(heads, key=lambda head: head.startswith('fed')))
    counts = '; '.join(f'{title}: {runs[0]["images"]} images, {runs[0]["evaluators"][0]["positives"]:,} positives and '
                       f'{runs[0]["evaluators"][0]["negatives"]:,} negatives' for title, runs in columns.items())
    seeds = ', '.join(f'{suffix}: {len(runs)} seed{"s" * (len(runs) > 1)}' for suffix, runs in study.runs(suffixes).items())
    command = f'`python tools/make_results.py --only "{study.title}" --configs {" ".join(suffixes)}`'
    further = ''.join(FURTHER.get(suffix, '') for suffix in study.runs(suffixes))
    return f'## {study.title}\n\n{study.fitted_on}. {further}{seeds}. {counts}. Made by {command}.\n\n{table}'


INTRODUCTION = """# Results

AP / FPR95 / AUROC in %, protocol `pooled`: the pixels of all images of a column together, step-wise average precision, false
positive rate at the first threshold that finds 95 % of the positives, void pixels left out, maps at the size of the labels.
The best number of a column is bold; ± is the standard deviation over seeds. Mistakes are pixels whose predicted class is
wrong; unknown objects are those the dataset labels as anomalies. `fedu` and `fedc` learn from mistakes and pasted outliers,
`fedc_outliers` nearly only from outliers; `fedu_published` and `fedc_published` are the released networks, fitted here;
`mc_dropout` takes 32 samples. Intervals and error bounds are in the results files that `tools/test.py --out` writes.
Calibration under shift is in [reliability.md](reliability.md).
"""


def main() -> None:
    """Run the tool."""
    args = parse_args()
    sections = page_sections(args.out)
    for study in STUDIES:
        if not args.only or any(word in study.title for word in args.only):
            folder = args.work_dir / Path(study.config).name
            sections[study.title] = section(study, args.configs, folder, args.cache)
    titles = [study.title for study in STUDIES]
    ordered = [sections[title] for title in sorted(sections, key=lambda title: (titles + [title]).index(title))]
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text('\n'.join([INTRODUCTION, *ordered]), encoding='utf-8')


if __name__ == '__main__':
    main()
