"""Every command line of README and docs runs, page by page, in a folder like a clone whose data and networks are small.

What stands for the user's own (CONFIG, DIR, YOUR_IMAGE.jpg) is put in, and options that the commands have make runs short. Pages
use what commands of pages before them wrote. Lines of
``make``, ``pip``, ``git`` and ``docker`` are not run here: ``.ci/run`` installs, builds the site and the wheel, and runs the tests.
"""
import re
import runpy
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace

import pytest

from mmseg_uncertainty.apis import sweep_cells
from mmseg_uncertainty.apis.sweep_plan import SweepPlan
from mmseg_uncertainty.cli import main
from mmseg_uncertainty.cli.names import RECIPES
from tests.documentation import PAGES, ROOT, commands
from tests.documented_folder import SMALL_MIT, SMALL_PSPNET, write_folder

# Command lines that are not run here, by how they begin, and why.
NOT_RUN = {
    r'(make|git|cd|source|pip|python -m build|twine)\b': '.ci/run installs, makes the wheel and runs the tests',
    r'curl ': 'asks a service; tests/test_serving/test_uncertainty_service.py',
    r'(docker|apptainer) ': 'needs Docker or Apptainer; tests/test_tools/test_containers.py runs the last command of the recipe',
    r'srun |.* --cluster slurm': 'needs a cluster',
    r'torchrun ': 'tests/test_tools/test_torchrun.py runs a tool in several processes',
    r'tools/test_matrix.sh(?! --list)': 'installs other versions of everything, by hand',
    r'mmseg-uncertainty (monitor|rank|submit( smiyc\|fishyscapes\|bravo)?)$': 'names a command',
    r'python tools/zoo_table.py': 'tests/test_tools/test_zoo_table.py does the same',
    r'python tools/make_(results|unet|reliability).py': 'takes hours; the commands that it calls are run here',
    r'python tools/make_study.py': 'takes hours; tests/test_tools/test_study.py',
    r'python tools/benchmarks/(neighbours|calibrators).py': 'needs the real sequences; tests/test_tools/test_scripts.py reads them',
    r'python tools/mutate.py': 'takes hours; tests/test_tools/test_mutate.py',
    r'python tools/fuzz_commands.py': 'takes hours; tests/test_cli/test_fuzzed_commands.py runs a part'}
# Pages whose commands another test runs and compares what they write.
ELSEWHERE = {'tutorial_torch': 'tests/test_tools/test_tutorial_torch.py'}
# Packages without which a command is left out.
NEEDS = {r'.*\bapp\b': 'gradio', r'.*\bserve\b': 'fastapi', r'.*\bexport': 'onnxscript', r'.*(model|MODEL)\.onnx': 'onnxscript',
         r'.*submit smiyc': 'h5py', r'.*--cluster ray': 'ray'}
# What is put in, by word, or by the word before and itself.
OWN = {
    'CONFIG': 'CONFIG.py', 'CHECKPOINT': 'CHECKPOINT.pth', 'NAME': 'segformer_b0_camvid', 'MODEL.onnx': 'model.onnx',
    'YOUR_IMAGE.jpg': 'photo.jpg', 'PHOTO': 'photo.jpg', 'VIDEO': 'video.mp4', 'FOLDER': 'photos', 'DIR': 'out',
    'IMAGE|FOLDER|VIDEO': 'photos', 'IMAGE|FOLDER|PATTERN|VIDEO': 'photos/*.jpg', 'FILE': 'written.json',
    '--data-root DIR': 'data/road_anomaly', '--examples DIR': 'photos', '--source DIR': 'coco',
    '/input': 'data/fs_static/images', '/output': 'work_dirs/output'}
FOLDERS = {'--images DIR': 'DIR/images', '--labels DIR': 'DIR/labels'}
OWN_OF_PAGE = {
    'README': {'fit CONFIG': 'base.py', 'test CONFIG': 'own.py', 'own.py BASE.pth': 'own.pth'},
    'choosing': {'--add NAME': 'temperature', **FOLDERS}, 'deploy': FOLDERS,
    'howto': {'BASE.pth': 'zoo.pth'},
    'guarantees': {'CONFIG': 'local_configs/cgnet/cgnet_camvid_CRC.py',
                   'work_dirs/NAME/calibrated.pth': 'work_dirs/cgnet_camvid_CRC/calibrated.pth'},
    'performance': {'CONFIG': 'sets_config.py', 'CHECKPOINT': 'sets.pth'}}
LAST_ITERATION = re.compile(r'iter_\d+\.pth')
ONE_PROCESS = {'test_dataloader.num_workers': 0, 'test_dataloader.persistent_workers': False}
FEW = {'test_dataloader.dataset.indices': 2}
SMALL_INPUT = {'test_dataloader.dataset.pipeline.1.scale': '(96, 72)'}
FLOW = {'train_cfg.max_iters': 2, 'default_hooks.checkpoint.interval': 2, 'train_dataloader.batch_size': 2}
# What makes a command short, by what it is once names are put in: words, or changes of the config.
SHORT = {
    r'test ': ONE_PROCESS,
    r'test (?!CONFIG|.*(--heads|roadnet))': ['--heads', 'msp'],
    r'test CONFIG': ['--heads', 'msp', 'fedc'],
    r'test .*--eval (?!decisions)': {'test_evaluator.0.resamples': 2},
    r'test own.py': {**SMALL_MIT, **FEW},
    r'test own.py .* (mIoU|--corrupt-type)': SMALL_INPUT,
    r'test .* --protocol': FEW,
    r'test .*flowenedet': {'test_dataloader.dataset.indices': 1},
    r'test .*toy_roads': {'test_dataloader.dataset.length': 2},
    r'test .*camvid': {'test_dataloader.dataset.indices': 4},
    r'(fit|test) mmseg::pspnet': {**SMALL_PSPNET, **SMALL_INPUT},
    r'test mmseg::pspnet': FEW,
    r'train .*(FEDC|OUTLIERS)\.py': FLOW,
    r'train .*OUTLIERS': {'train_dataloader.dataset.datasets.2.indices': 3},
    r'train .*toy_roads\w*_CRC\.py': {'train_dataloader.dataset.length': 20},
    r'plot_sets .*toy_roads': {'test_dataloader.dataset.length': 2},
    r'fit ': ['--iterations', '2', '--workers', '0', '--alpha', '0.4'],
    r'fit --add false_alarms': ['base.py', 'BASE.pth', '--images', 'DIR/images', '--labels', 'DIR/labels', '--out', 'flags.pth'],
    r'road_net ': ['--iterations', '2', '--batch', '2'],
    r'coco ': ['--train', '2', '--val', '2'],
    r'decisions ': ['--splits', '5'],
    r'make_gallery ': ['--images', '6', '--iterations', '1', '--docs', 'gallery'],
    r'(conformal_validity|calibration|detectors) ': ['--quick'],
    r'monitor ': ['--every', '1'],
    r'export': ['--sizes', '32x64'],
    r'submit bravo': ['--images', 'photos']}
ALARM = 3


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp('clone')
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('DATA_ROOT', str(folder / 'data'))
        patch.chdir(folder)
        yield write_folder(folder)


@pytest.fixture
def run(folder, monkeypatch):
    """Run the words of a command in this process, groups of sweeps too; the app and the service are built but not served."""

    def group(command):
        plan, _, work_dir, _, model, dataset = command[command.index('sweep') + 1:][:6]
        sweep_cells.measure_group(SweepPlan.from_file(plan), model, dataset, Path(work_dir))
        return 0

    def built(app, port, share):
        app.build()
        return SimpleNamespace(share_url=None, local_url='here', block_thread=lambda: None)

    def run(words):
        program, *arguments = words
        if program.endswith('mmseg-uncertainty'):
            monkeypatch.setattr(sys, 'argv', words)
            main(arguments)
        elif program == 'python':
            script = ROOT / arguments[0]
            monkeypatch.setattr(sys, 'argv', arguments)
            monkeypatch.syspath_prepend(str(script.parent))
            runpy.run_path(str(script), run_name='__main__')
        else:
            subprocess.run([ROOT / program, *arguments], check=True)

    monkeypatch.setattr('mmseg_uncertainty.apis.sweep_jobs.run_process', group)
    if find_spec('gradio'):
        monkeypatch.setattr('mmseg_uncertainty.cli.app.serve', built)
    if find_spec('fastapi'):
        monkeypatch.setattr('mmseg_uncertainty.serving.server.serve', lambda app, opened: None)
    monkeypatch.chdir(folder)
    return run


def completed(passage):
    """Words of a command with names of the folder put in, and what makes it short."""
    names, words = {**OWN, **OWN_OF_PAGE.get(passage.page, {})}, []
    for word in passage.words:
        if word != '…':
            both = f'{words[-1] if words else ""} {word}'
            words.append(LAST_ITERATION.sub('iter_2.pth', names.get(both, names.get(word, word))))
    first = 1 if words[0].endswith('mmseg-uncertainty') else min(1, len(words) - 1)
    text = ' '.join([Path(words[first]).stem.removesuffix('_onnx'), *words[first + 1:], ''])
    changes, options = {}, []
    for pattern, short in SHORT.items():
        if re.match(pattern, text):
            changes, options = (changes | short, options) if isinstance(short, dict) else (changes, options + short)
    place = words.index('--cfg-options') if '--cfg-options' in words else len(words)
    given = words[place:] or ['--cfg-options'] * bool(changes)
    return [*words[:place], *options, *given, *(f'{key}={value}' for key, value in changes.items())]


def reason_not_to_run(passage):
    """Why a command line is not run, ``None`` for one that is."""
    text = ' '.join(passage.words)
    lacking = [package for pattern, package in NEEDS.items() if re.match(pattern, text) and not find_spec(package)]
    return next((reason for pattern, reason in NOT_RUN.items() if re.match(pattern, text)),
                f'{lacking[0]} is not installed' if lacking else None)


@pytest.mark.parametrize('page', [page for page in PAGES if page.stem not in ELSEWHERE and commands(page)],
                         ids=lambda page: page.stem)
def test_command_lines_run(page, run):
    for passage in commands(page):
        if reason_not_to_run(passage):
            continue
        words = completed(passage)
        try:
            run(words)
        except SystemExit as ended:
            if ended.code not in (None, 0, ALARM):
                pytest.fail(f'{passage}\nwas run as {" ".join(words)}\nand ended with {ended.code}')
        except Exception as error:
            raise AssertionError(f'{passage}\nwas run as {" ".join(words)}') from error


def test_every_command_and_every_recipe_is_documented():
    called = {match[1] for page in PAGES for passage in commands(page)
              if (match := re.match(r'(?:mmseg-uncertainty |python tools/)([\w-]+)', passage.text))}
    assert called >= {'infer', 'fit', 'test', 'train', 'app', 'export', 'sweep', 'monitor', 'rank', 'submit', 'serve'}
    howto = (ROOT / 'docs/howto.md').read_text(encoding='utf-8')
    assert all(f'`{name}`' in howto for name in RECIPES)


def test_reasons_not_to_run_are_of_some_line():
    lines = [' '.join(passage.words) for page in PAGES for passage in commands(page)]
    assert all(any(re.match(pattern, line) for line in lines) for pattern in NOT_RUN)
