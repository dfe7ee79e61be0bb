"""Compare every score on every base: choices on one half of the images, numbers of the other; writes docs/study.md."""
from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import mmseg_uncertainty.registered  # noqa: F401  (connects the host before configs are read)
import matplotlib.pyplot as plt
import torch
from study.models import BASES, FLOWS, ROOT, SEEDS, StudyBase, fitted_by_statistics, study_model
from study.pixel_table import BATCH, ITERATIONS, fit_flow, pixel_table
from study.scored_images import TESTS, costs, scored_images
from study.tables import Cell, cells_of, critical_difference, mean_ranks, without_seed

from mmseg_uncertainty.models import PosthocSegmentor
from mmseg_uncertainty.runtime.output_files import whole_file

STATISTICS_EVERY = 4
CONFIG_OF_PIXELS = dict(mistakes='FED', outliers='OUTLIERS')
TASKS = dict(mistakes=('camvid', ), outliers=('fs_static', 'fs_lost_found', 'road_anomaly'))
Column = tuple[str, str]


def parse_args() -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--bases', nargs='+', default=list(BASES), choices=list(BASES), help='which bases')
    parser.add_argument('--work-dir', type=Path, default=ROOT / 'work_dirs/study', metavar='DIR',
                        help='where fits and scores are kept; a study that was stopped goes on there')
    parser.add_argument('--out', type=Path, default=ROOT / 'docs/study.md', metavar='FILE', help='page to write')
    return parser.parse_args()


def fitted(base: StudyBase, folder: Path) -> PosthocSegmentor:
    """A base with all scores and flows, fitted; what an earlier run fitted is read."""
    folder.mkdir(parents=True, exist_ok=True)
    statistics = fitted_by_statistics(base, folder / 'statistics.pth', STATISTICS_EVERY)
    model, path = study_model(base, flows=True), folder / 'flows.pth'
    model.load_state_dict(statistics.state_dict(), strict=False)
    done = torch.load(path, weights_only=True) if path.is_file() else {}
    for learned, flows in FLOWS.items():
        pending = [f'{name}_{seed}' for name in flows for seed in range(SEEDS) if f'{name}_{seed}' not in done]
        if pending:
            config = base.config_of(_pixels_config(base, learned))
            table = pixel_table(statistics, config.train_dataloader.dataset, learned, folder / f'{learned}.npz', base.title)
            for name in pending:
                head = model.uncertainty_heads[name]
                fit_flow(head, table, without_seed(name), learned, int(name[-1]))
                done[name] = head.state_dict()
                with whole_file(path) as partial:
                    torch.save(done, partial)
    for name, state in done.items():
        model.uncertainty_heads[name].load_state_dict(state)
    return model.eval()


def _pixels_config(base: StudyBase, learned: str) -> str:
    """Config whose images teach a flow; bases without one for outliers learn from the objects pasted for mistakes."""
    suffix = CONFIG_OF_PIXELS[learned]
    return suffix if (ROOT / f'local_configs/{base.config}_{suffix}.py').is_file() else CONFIG_OF_PIXELS['mistakes']


def measured(keys: Sequence[str], work_dir: Path) -> tuple[dict[Column, dict[str, Cell]], dict[Column, dict[str, Cell]], dict]:
    """Cells of the development and of the reported half by base and test set, and costs by base."""
    development, reported, prices = {}, {}, {}
    for key in keys:
        base = BASES[key]
        model = fitted(base, work_dir / key)
        prices[key] = costs(model)
        for test in TESTS:
            if test == 'camvid' and not base.knows_camvid:
                continue
            images = list(scored_images(base, model, test, work_dir / key))
            development[key, test], reported[key, test] = cells_of(images, True), cells_of(images, False)
    return development, reported, prices


def chosen_flows(development: Mapping[Column, Mapping[str, Cell]]) -> dict[str, dict[str, float]]:
    """Mean ranks of all flows on the development halves, by task; the lowest is the choice."""
    flows = [name for options in FLOWS.values() for name in options]
    return {task: mean_ranks([cells for (_, test), cells in development.items() if test in tests], flows)
            for task, tests in TASKS.items()}


def draw_ranks(ranks: Mapping[str, Mapping[str, float]], differences: Mapping[str, float], path: Path) -> None:
    """Mean ranks by task, with the stretch behind the best in which no score is told from it."""
    figure, axes = plt.subplots(1, len(ranks), figsize=(11, 7), constrained_layout=True)
    for axis, (task, means) in zip(axes, ranks.items()):
        ordered = sorted(means, key=means.__getitem__, reverse=True)
        colors = ['tab:orange' if name.startswith('fed') else 'tab:blue' for name in ordered]
        axis.barh(ordered, [means[name] for name in ordered], color=colors)
        axis.axvspan(min(means.values()), min(means.values()) + differences[task], color='0.85', zorder=0)
        axis.set(title='Mistakes' if task == 'mistakes' else 'Unknown objects', xlabel='mean rank, 1 is best')
        axis.tick_params(axis='y', labelsize=8)
    figure.suptitle('Mean ranks over bases, sets, AP and FPR95; grey: not told from the best by Nemenyi’s test (5 %)')
    path.parent.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as partial:
        figure.savefig(partial, dpi=110, format='png')
    plt.close(figure)


def table_of(columns: Mapping[str, Mapping[str, Cell]]) -> str:
    """Markdown table of one base: AP and FPR95 with intervals, the best of a column bold."""
    names = next(iter(columns.values()))
    best = {test: [max(cell.values[0] for cell in cells.values()), min(cell.values[1] for cell in cells.values())]
            for test, cells in columns.items()}
    lines = [['score', *(f'{TESTS[test]}: AP, FPR95' for test in columns)]]
    for name in names:
        lines.append([f'`{name}`', *(_entry(columns[test][name], best[test]) for test in columns)])
    return _markdown(lines)


def _entry(cell: Cell, best: Sequence[float]) -> str:
    parts = []
    for value, top, spread, (low, high) in zip(cell.values, best, cell.spread, cell.intervals):
        number = f'**{value:.1f}**' if value == top else f'{value:.1f}'
        parts.append(f'{number}{f" ± {spread:.1f}" if spread else ""} ({low:.0f}–{high:.0f})')
    return ', '.join(parts)


def _markdown(lines: Sequence[Sequence[str]]) -> str:
    rows = ['| ' + ' | '.join(line) + ' |' for line in lines]
    return '\n'.join([rows[0], '|' + ' --- |' * len(lines[0]), *rows[1:]])


def verdicts(reported: Mapping[Column, Mapping[str, Cell]], choices: Mapping[str, str]) -> str:
    """What the chosen flow is ahead of, column by column."""
    lines = [['base', 'set', 'flow', 'AP', 'best other AP', 'FPR95', 'best other FPR95']]
    for (key, test), cells in reported.items():
        flow = choices['mistakes' if test in TASKS['mistakes'] else 'outliers']
        others = {name: cell for name, cell in cells.items() if not name.startswith('fed')}
        leader = max(others, key=lambda name: others[name].values[0])
        lowest = min(others, key=lambda name: others[name].values[1])
        lines.append([BASES[key].title.split(',')[0], TESTS[test], f'`{flow}`', f'{cells[flow].values[0]:.1f}',
                      f'{others[leader].values[0]:.1f} (`{leader}`)', f'{cells[flow].values[1]:.1f}',
                      f'{others[lowest].values[1]:.1f} (`{lowest}`)'])
    return _markdown(lines)


def cost_table(prices: Mapping[str, Mapping[str, tuple[float, float]]]) -> str:
    """Time of each head beside one pass of its base, and size of its state."""
    names = dict.fromkeys(without_seed(head) for heads in prices.values() for head in heads)
    lines = [['score', *(BASES[key].title.split(',')[0] for key in prices)]]
    for name in names:
        lines.append([f'`{name}`'])
        for heads in prices.values():
            share, size = heads[name if name in heads else f'{name}_0']
            lines[-1].append(f'{100 * share:.0f} %, {size:.2f} MB')
    return _markdown(lines)


INTRODUCTION = f"""# The study of detectors

Every score on every base at hand, one command: `python tools/make_study.py`. What was chosen was chosen on the development half;
all other numbers below are of the other half.

- **Development**: sequence 0001TP of CamVid test, and the first half of each other set by name. **Reported**: sequence Seq05VD,
  and the second halves; every second image of each.
- Pixels of every fourth row and column, all images of a column together, void left out; AP and FPR95 in %. Positives are wrong
  pixels on CamVid, labelled anomalies elsewhere.
- In brackets 95 % intervals over scenes: blocks of 30 frames of CamVid, images elsewhere. ± is the standard deviation over {SEEDS}
  seeds of flows; everything else has no seed but `mc_dropout`, which was drawn once.
- Statistics are taken of every fourth image of CamVid train. Flows learn from pixels of every third image of `_FED`, or every
  sixth of `_OUTLIERS`, {ITERATIONS} batches of {BATCH} pixels: shorter than the shipped schedules, alike for all.
- `fedu`, `fedc` are the shipped flows; `fedu_full` scores at the size of the image, with half the blocks and half the width;
  `…_evidence` also take neighbours and distances in two layers, ReAct, fDBD and Residual as inputs (`fed_evidence`: `knn` and
  `mahalanobis_pp`); `…_fast` has a larger step.
"""


def page(development: Mapping, reported: Mapping, prices: Mapping, picture: Path) -> str:
    """The page in Markdown."""
    ranks = chosen_flows(development)
    choices = {task: min(means, key=means.__getitem__) for task, means in ranks.items()}
    names = list(next(iter(reported.values())))
    finals, differences = {}, {}
    for task, tests in TASKS.items():
        columns = [cells for (_, test), cells in reported.items() if test in tests]
        finals[task] = mean_ranks(columns, names)
        differences[task] = critical_difference(len(names), len(columns))
    draw_ranks(finals, differences, picture)
    choice = _markdown([['flow', 'mistakes', 'unknown objects'],
                        *([f'`{name}`', *(f'{ranks[task][name]:.1f}' for task in TASKS)] for name in ranks['mistakes'])])
    parts = [INTRODUCTION,
             '## Which flow\n\nMean ranks among flows on the development halves, 1 is best; the lowest of a column is taken for all '
             f'bases: `{choices["mistakes"]}` for mistakes, `{choices["outliers"]}` for unknown objects.\n\n{choice}\n',
             f'## The flow beside the best of the others\n\nOn the reported halves.\n\n{verdicts(reported, choices)}\n',
             f'## Ranks\n\n![Mean ranks of all scores by task](pictures/{picture.name})\n\nA rank is the mean of those '
             'in AP and FPR95, a base with a set is one data set. By Nemenyi\'s test at 5 % a difference of mean ranks below '
             f'{differences["mistakes"]:.1f} (mistakes) or {differences["outliers"]:.1f} (unknown objects) is none.\n']
    for key in dict.fromkeys(key for key, _ in reported):
        columns = {test: cells for (one, test), cells in reported.items() if one == key}
        parts.append(f'## {BASES[key].title}\n\n{table_of(columns)}\n')
    parts.append('## What it costs\n\nProcessor time of a head at 360×480 in % of one pass of its base, one thread, and its state. '
                 f'Sums of scores cost an addition.\n\n{cost_table(prices)}\n')
    return '\n'.join(parts)


def main() -> None:
    """Run the study."""
    args = parse_args()
    text = page(*measured(args.bases, args.work_dir), ROOT / 'docs/pictures/study_ranks.png')
    with whole_file(args.out) as partial:
        partial.write_text(text, encoding='utf-8')


if __name__ == '__main__':
    main()
