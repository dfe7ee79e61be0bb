"""Sweeps: what is missing runs, what fails is named, what was killed goes on, and two runs agree."""
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.registry import DATASETS, MODELS

from mmseg_uncertainty.apis import data_identity, sweep_cells
from mmseg_uncertainty.apis.sweep_jobs import GroupJob
from mmseg_uncertainty.apis.sweep_plan import Cell, SweepPlan
from mmseg_uncertainty.datasets import CheckedSegDataset
from tests.test_tools.conftest import TOOLS
from tests.test_tools.test_train_and_test import TEST_LOADER
from tests.tiny import TINY_TOY_ROADS, tiny_base, tiny_posthoc


@DATASETS.register_module()
class SweptStreets(CheckedSegDataset):
    METAINFO = dict(classes=tuple('abcdefgh'), palette=[[index] * 3 for index in range(8)])


HEADS = dict(msp=dict(type='MSPHead'), entropy=dict(type='EntropyHead'))


@pytest.fixture
def plan(tmp_path):
    """Write a plan of one tiny model; options replace keys of it."""
    common = {**TINY_TOY_ROADS, 'test_evaluator': dict(type='IoUMetric'), 'test_cfg': dict(type='TestLoop')}
    loader = {**TEST_LOADER, 'dataset': {**TEST_LOADER['dataset'], 'length': 4}}
    Config(dict(**common, model=tiny_posthoc(HEADS, classes=8), test_dataloader=loader)).dump(tmp_path / 'scores.py')
    Config(dict(test_dataloader=loader)).dump(tmp_path / 'toy.py')
    torch.manual_seed(0)
    torch.save(dict(state_dict=MODELS.build(Config(tiny_base(num_classes=8))).state_dict()), tmp_path / 'base.pth')

    def write(**options):
        content = dict(
            models=dict(tiny=dict(config=str(tmp_path / 'scores.py'), checkpoint=str(tmp_path / 'base.pth'))),
            datasets=dict(toy=dict(dataset=str(tmp_path / 'toy.py'))), corruptions=['snow', 'shot_noise'], severities=[1, 5],
            evaluators=['mIoU', 'ECE', 'IDM', 'OOD-image'], reference='toy') | options
        (tmp_path / 'plan.json').write_text(json.dumps(content))
        return tmp_path / 'plan.json'

    return write


RUN_PROCESS = 'mmseg_uncertainty.apis.sweep_jobs.run_process'


def run_in_this_process(command):
    plan, _, work_dir, _, model, dataset = command[command.index('sweep') + 1:][:6]
    sweep_cells.measure_group(SweepPlan.from_file(plan), model, dataset, Path(work_dir))
    return 0


@pytest.fixture
def here(monkeypatch):
    """Run the processes of a sweep in this one."""
    monkeypatch.setattr(RUN_PROCESS, run_in_this_process)


def tables(folder):
    return [(folder / name).read_text() for name in ('cells.csv', 'averages.csv', 'report.md')]


def test_a_sweep_measures_what_the_test_tool_measures(run_tool, here, plan, tmp_path):
    file = plan(severities=[5], corruptions=['snow'])
    run_tool('sweep', file, '--work-dir', tmp_path / 'one')
    run_tool('test', tmp_path / 'scores.py', tmp_path / 'base.pth', '--eval', 'mIoU', 'ECE', 'IDM', '--corrupt-type', 'snow',
             '--corrupt-severity', '5', '--out', tmp_path / 'test.json')
    cell = json.loads((tmp_path / 'one/cells/tiny/toy/snow-5.json').read_text())
    assert cell['metrics']['none'] == json.loads((tmp_path / 'test.json').read_text())['metrics']
    assert cell['images'] == 4 and cell['versions']['torch'] == torch.__version__
    assert {path.name for path in (tmp_path / 'one/plots').iterdir()} == {'toy_ECE.png', 'toy_IDM_PRR.png', 'toy_mIoU.png'}
    assert '| tiny, msp | ' in tables(tmp_path / 'one')[2] and 'OOD-image_AUROC' in tables(tmp_path / 'one')[0]
    run_tool('sweep', file, '--work-dir', tmp_path / 'two')
    assert tables(tmp_path / 'one')[0] == tables(tmp_path / 'two')[0]


def test_only_what_changed_is_measured_again(run_tool, here, plan, tmp_path):
    folder = tmp_path / 'one/cells/tiny/toy'
    run_tool('sweep', plan(severities=[1], corruptions=['snow']), '--work-dir', tmp_path / 'one')
    before = {path.name: path.stat().st_mtime_ns for path in folder.glob('*.json')}
    run_tool('sweep', plan(severities=[1, 2], corruptions=['snow']), '--work-dir', tmp_path / 'one')
    after = {path.name: path.stat().st_mtime_ns for path in folder.glob('*.json')}
    assert len(before) == 2 and len(after) == 3 and before.items() <= after.items()
    run_tool('sweep', plan(severities=[1], corruptions=['snow'], heads=['msp']), '--work-dir', tmp_path / 'one')
    assert all((folder / name).stat().st_mtime_ns > changed for name, changed in before.items())
    assert 'entropy' not in tables(tmp_path / 'one')[0]


def test_a_failing_cell_is_named_and_the_others_go_on(run_tool, here, plan, tmp_path, monkeypatch):
    file = plan(corruptions=['snow'], evaluators=['mIoU'])
    prepare = sweep_cells.corrupt_test_images

    def break_one(config, corruption, severity):
        if (corruption, severity) == ('snow', 5):
            raise RuntimeError('no snow today')
        prepare(config, corruption, severity)

    monkeypatch.setattr(sweep_cells, 'corrupt_test_images', break_one)
    with pytest.raises(ValueError, match='1 cells failed, the first is tiny/toy/snow-5: RuntimeError: no snow today'):
        run_tool('sweep', file, '--work-dir', tmp_path / 'one')
    assert len(list((tmp_path / 'one/cells/tiny/toy').glob('*.json'))) == 2
    assert '- `tiny/toy/snow-5`: RuntimeError: no snow today' in tables(tmp_path / 'one')[2]
    monkeypatch.setattr(sweep_cells, 'corrupt_test_images', prepare)
    run_tool('sweep', file, '--work-dir', tmp_path / 'one')
    assert len(list((tmp_path / 'one/cells/tiny/toy').glob('*.json'))) == 3
    assert not list((tmp_path / 'one/cells').rglob('*.failed'))


def test_a_killed_sweep_ends_with_the_table_of_one_that_was_not(run_tool, plan, tmp_path, monkeypatch):
    """Killed at a random cell, and finished by two processes under torchrun."""
    file = plan(severities=[1], evaluators=['mIoU', 'ECE'])
    with monkeypatch.context() as patch:
        patch.setattr(RUN_PROCESS, run_in_this_process)
        run_tool('sweep', file, '--work-dir', tmp_path / 'whole')
    command = [sys.executable, TOOLS / 'sweep.py', file, '--work-dir', tmp_path / 'killed', '--group', 'tiny', 'toy']
    process = subprocess.Popen(command, cwd=TOOLS.parent, env=os.environ | {'OMP_NUM_THREADS': '1'}, start_new_session=True)
    wanted = 1 + time.time_ns() % 2
    while process.poll() is None and len(list((tmp_path / 'killed').rglob('cells/*/*/*.json'))) < wanted:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert len(list((tmp_path / 'killed').rglob('cells/*/*/*.json'))) < 3
    run_tool('sweep', file, '--work-dir', tmp_path / 'killed', '--gpus', '2')
    assert tables(tmp_path / 'whole') == [text.replace('killed', 'whole') for text in tables(tmp_path / 'killed')]


def test_a_cell_that_kills_its_process_is_skipped(plan, tmp_path):
    """The process marks what it measures, so whoever started it knows the guilty cell."""
    file, work_dir = plan(), tmp_path / 'one'
    script = tmp_path / 'crash.py'
    script.write_text(
        'import json, os, signal, sys\nfrom pathlib import Path\n'
        f'folder = Path({str(work_dir / "cells/tiny/toy")!r})\nfolder.mkdir(parents=True, exist_ok=True)\n'
        'for name in ("clean-0", "snow-1", "snow-5", "shot_noise-1", "shot_noise-5"):\n'
        '    if (folder / f"{name}.json").exists() or (folder / f"{name}.failed").exists():\n        continue\n'
        '    (folder / f"{name}.running").touch()\n'
        '    if name == "snow-5":\n        os.kill(os.getpid(), signal.SIGKILL)\n'
        '    (folder / f"{name}.json").write_text("{}")\n    (folder / f"{name}.running").unlink()\n')
    job = GroupJob(str(file), work_dir, 'tiny', 'toy', [sys.executable, str(script)])
    done = {cell: cell.path(work_dir) for cell in SweepPlan.from_file(file).cells('tiny', 'toy')}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr('mmseg_uncertainty.apis.sweep_jobs.is_done', lambda plan, cell, folder: done[cell].is_file())
        job()
    assert json.loads((work_dir / 'cells/tiny/toy/snow-5.failed').read_text())['reason'] == 'its process ended with signal 9'
    assert sum(path.is_file() for path in done.values()) == 4


def test_jobs_run_through_submitit(run_tool, here, plan, tmp_path):
    pytest.importorskip('submitit', reason='needs the extra slurm')
    run_tool('sweep', plan(corruptions=[]), '--work-dir', tmp_path / 'one', '--cluster', 'debug', '--cluster-options',
             'timeout_min=5')
    assert (tmp_path / 'one/cells/tiny/toy/clean-0.json').is_file()


def test_calibrators_share_the_pass_of_the_base_model(run_tool, here, plan, tmp_path):
    """Their numbers are those of models of their own."""
    calibration = {**TEST_LOADER, 'dataset': {**TEST_LOADER['dataset'], 'split': 'val', 'length': 5}}
    calibrators = {}
    for name, config in dict(one=dict(type='TemperatureScaling'),
                             clusters=dict(type='ClusteredTemperatureScaling', num_clusters=2)).items():
        Config(dict(**{**TINY_TOY_ROADS, 'train_cfg': dict(type='CalibrationLoop'), 'train_dataloader': calibration},
                    model=tiny_posthoc(HEADS, classes=8, calibrator=config), test_dataloader=TEST_LOADER,
                    test_evaluator=dict(type='IoUMetric'), test_cfg=dict(type='TestLoop'))).dump(tmp_path / f'{name}.py')
        run_tool('train', tmp_path / f'{name}.py', '--load-from', tmp_path / 'base.pth', '--work-dir', tmp_path / name)
        calibrators[name] = dict(config=str(tmp_path / f'{name}.py'), checkpoint=str(tmp_path / name / 'calibrated.pth'))
    model = dict(config=str(tmp_path / 'scores.py'), checkpoint=str(tmp_path / 'base.pth'), calibrators=calibrators)
    run_tool('sweep', plan(models=dict(tiny=model), corruptions=[]), '--work-dir', tmp_path / 'one')
    (tmp_path / 'page.md').write_text('# Old\n\n## Reading the tables\n\nBy hand.\n')
    run_tool('make_reliability', '--plan', tmp_path / 'plan.json', '--work-dir', tmp_path / 'one', '--out', tmp_path / 'page.md',
             '--tables-only')
    page = (tmp_path / 'page.md').read_text()
    assert page.endswith('## Reading the tables\n\nBy hand.\n') and '| clusters | ' in page and '4 images of `toy`' in page
    metrics = json.loads((tmp_path / 'one/cells/tiny/toy/clean-0.json').read_text())['metrics']
    for name in calibrators:
        run_tool('test', tmp_path / f'{name}.py', tmp_path / name / 'calibrated.pth', '--eval', 'mIoU', 'ECE', 'IDM', '--out',
                 tmp_path / 'test.json', '--cfg-options', 'test_dataloader.dataset.length=4')
        assert metrics[name] == json.loads((tmp_path / 'test.json').read_text())['metrics']
        assert metrics[name]['uncalibrated/ECE[pooled]'] == metrics['none']['ECE[pooled]'] != metrics[name]['ECE[pooled]']
        assert metrics[name]['mIoU[pooled]'] == metrics['none']['mIoU[pooled]']
    same = {**calibration['dataset'], 'length': 3}
    Config(dict(test_dataloader={**TEST_LOADER, 'dataset': same})).dump(tmp_path / 'same.py')
    with pytest.raises(ValueError, match='was calibrated on 5 images of toy_roads, and 3 of their images are to be tested on'):
        overlapping = dict(same=dict(dataset=str(tmp_path / 'same.py')))
        run_tool('sweep', plan(models=dict(tiny=model), corruptions=[], datasets=overlapping, reference='same'), '--work-dir',
                 tmp_path / 'two')
    with pytest.raises(ValueError, match='was calibrated on 5 images'):
        run_tool('test', tmp_path / 'one.py', tmp_path / 'one/calibrated.pth', '--eval', 'ECE', '--cfg-options',
                 'test_dataloader.dataset.split=val')


@pytest.mark.parametrize('options, message', [
    (dict(corruption=['snow']), r"unknown keys \['corruption'\]"),
    (dict(corruptions=['hail']), r"corruptions \['hail'\] are unknown"),
    (dict(severities=[0]), 'expected numbers from 1 to 5'),
    (dict(reference='other'), r"name \['other'\], expected some of \['toy'\]"),
    (dict(reference=[]), 'OOD-image compares with in-domain images'),
    (dict(models={}), r"missing keys \['models'\]"),
    (dict(evaluators=['ECC']), 'unknown evaluator'),
    (dict(averages='best'), "averages='best'"),
    (dict(datasets=dict(toy=dict(every=0))), 'every is 0'),
])
def test_mistakes_of_a_plan_are_named(plan, options, message):
    with pytest.raises(ValueError, match=message):
        SweepPlan.from_file(plan(**options))


def test_plans_of_this_project_read():
    folder = TOOLS.parent / 'local_configs/sweeps'
    for file in folder.glob('*.yaml'):
        loaded = SweepPlan.from_file(file)
        configs = [entry.config for entry in loaded.models.values()] + [
            part.config for entry in loaded.models.values() for part in entry.calibrators.values()]
        assert all((TOOLS.parent / config).is_file() for config in configs), file


@pytest.fixture
def streets(tmp_path):
    """Write folders of images and labels that differ by their seed; returns a function of name and seed."""
    pipeline = [dict(type='LoadImageFromFile'), dict(type='LoadLabels'), dict(type='PackSegInputs')]
    prefix = dict(img_path='images', seg_map_path='labels')
    dataset = dict(type='SweptStreets', data_root='', data_prefix=prefix, pipeline=pipeline)
    Config(dict(test_dataloader=dict(TEST_LOADER, dataset=dataset))).dump(tmp_path / 'streets.py')

    def write(name, seed):
        random = np.random.default_rng(seed)
        for kind, shape, highest in (('images', (64, 96, 3), 256), ('labels', (64, 96), 8)):
            (tmp_path / name / kind).mkdir(parents=True)
            # Uncompressed, so that sizes tell nothing.
            cv2.imwrite(str(tmp_path / name / kind / 'a.bmp'), random.integers(0, highest, shape, np.uint8))
        return str(tmp_path / name)

    return write


def test_other_data_is_measured_again_and_a_moved_folder_is_not(here, plan, streets, tmp_path, monkeypatch):
    one, other = streets('one', 1), streets('other', 2)
    calls = []
    measure = sweep_cells.CellGroup.measure
    monkeypatch.setattr(sweep_cells.CellGroup, 'measure', lambda group, cell: calls.append(cell) or measure(group, cell))

    def measured(root):
        data = dict(streets=dict(dataset=str(tmp_path / 'streets.py'), data_root=root))
        file = plan(datasets=data, corruptions=[], evaluators=['mIoU'], reference=[])
        before = len(calls)
        # Each run is a process of its own, which looks at the data once.
        data_identity._identity_of.cache_clear()
        sweep_cells.measure_group(SweepPlan.from_file(file), 'tiny', 'streets', tmp_path / 'out')
        path = tmp_path / 'out/cells/tiny/streets/clean-0.json'
        return len(calls) - before, json.loads(path.read_text())['metrics']['none']['mIoU[pooled]']

    first, second = measured(one), measured(other)
    assert first[0] == second[0] == 1 and first[1] != second[1]
    assert measured(other) == (0, second[1])
    Path(other).rename(tmp_path / 'moved')
    assert measured(str(tmp_path / 'moved')) == (0, second[1])
    labels = tmp_path / 'moved/labels/a.bmp'
    cv2.imwrite(str(labels), np.zeros((64, 96), np.uint8))
    assert measured(str(tmp_path / 'moved'))[0] == 1


def test_tables_can_be_written_where_the_data_is_not(here, plan, streets, tmp_path):
    root = streets('one', 1)
    file = plan(datasets=dict(streets=dict(dataset=str(tmp_path / 'streets.py'), data_root=root)), corruptions=[],
                evaluators=['mIoU'], reference=[])
    swept, cell = SweepPlan.from_file(file), Cell('tiny', 'streets', 'clean', 0)
    sweep_cells.measure_group(swept, 'tiny', 'streets', tmp_path / 'out')
    assert sweep_cells.is_done(swept, cell, tmp_path / 'out')
    Path(root).rename(tmp_path / 'gone')
    data_identity._identity_of.cache_clear()
    assert not sweep_cells.is_done(swept, cell, tmp_path / 'out')
    assert sweep_cells.is_done(swept, cell, tmp_path / 'out', need_data=False)


def test_a_dataset_of_other_classes_is_no_cell(here, run_tool, plan, streets, tmp_path):
    data = dict(two=dict(dataset=str(tmp_path / 'streets.py'), data_root=streets('one', 1),
                         options=dict(metainfo=dict(classes=('a', 'b')))))
    file = plan(datasets=data, corruptions=[], evaluators=['mIoU'], reference=[])
    with pytest.raises(ValueError, match='ClassMismatchError: the model has 8 classes, and datasets.two has 2 classes'):
        run_tool('sweep', file, '--work-dir', tmp_path / 'out')
