"""Each part of the package imports what it needs and nothing else."""
import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

import mmseg_uncertainty

HOST = ('mmseg', 'mmcv', 'mmengine')
# Half a second and more of every start; what takes them along is found by `python -X importtime`.
NOT_FOR_PREDICTIONS = {'FrEIA', 'matplotlib.figure', 'pandas', 'scipy.stats', 'sklearn', 'torchvision', 'transformers'}
NOT_FOR_WRAPPED = {'matplotlib', 'mmseg_uncertainty.evaluation'}
# Imports that fail as they do where the distribution is not installed.
HIDE = '''
import json, sys
hidden = set(json.loads(sys.argv[1]))
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition('.')[0] in hidden:
            raise ModuleNotFoundError(f'No module named {name!r}', name=name)
sys.meta_path.insert(0, Hidden())
'''
EVERY_MODULE = '''
import importlib, pkgutil
def import_all(name):
    package = importlib.import_module(name)
    for module in pkgutil.walk_packages(package.__path__, f'{name}.'):
        importlib.import_module(module.name)
'''


def run_without(hidden, program):
    """Standard output of a program in a process of its own, where these modules are not installed."""
    process = subprocess.run([sys.executable, '-W', 'ignore', '-c', HIDE + program, json.dumps(list(hidden))], text=True,
                             capture_output=True)
    assert process.returncode == 0, process.stderr
    return process.stdout


def test_the_package_imports_nothing_but_python():
    program = '''
before = set(sys.modules)
import mmseg_uncertainty, mmseg_uncertainty.runtime
print(json.dumps(sorted({name.partition('.')[0] for name in set(sys.modules) - before} - sys.stdlib_module_names)))
'''
    assert json.loads(run_without((), program)) == ['mmseg_uncertainty']


def test_the_mathematics_need_no_mmsegmentation():
    program = EVERY_MODULE + '''
import_all('mmseg_uncertainty.functional')
import_all('mmseg_uncertainty.structures')
import torch
from mmseg_uncertainty.functional import control_risk, msp
print(float(msp(torch.zeros(1, 4, 1, 1))))
'''
    assert float(run_without(HOST, program)) == 0.75


def test_the_runtime_needs_no_torch():
    program = EVERY_MODULE + '''
import_all('mmseg_uncertainty.runtime')
import_all('mmseg_uncertainty.submissions')
print(json.dumps(sorted(name for name in sys.modules if name.startswith('mmseg_uncertainty.runtime.'))))
'''
    imported = json.loads(run_without((*HOST, 'torch', 'torchvision', 'h5py'), program))
    folder = Path(mmseg_uncertainty.__file__).parent / 'runtime'
    assert imported == sorted(f'mmseg_uncertainty.runtime.{file.stem}' for file in folder.glob('[!_]*.py'))


def test_the_mathematics_of_streams_need_no_torch():
    program = '''
from mmseg_uncertainty.functional import betting, running_risk, stream_p_values
print(betting.alarm_log_wealth(0.5))
'''
    assert float(run_without((*HOST, 'torch', 'torchvision'), program)) > 0


@pytest.mark.parametrize('part', ['models', 'apis', 'plain', 'evaluation', 'registered'])
def test_what_plugs_into_mmsegmentation_says_so(part):
    program = f'''
from importlib import metadata
from mmseg_uncertainty import host
host._version = {{}}.get
try:
    import mmseg_uncertainty.{part}
except ImportError as error:
    print(error)
'''
    assert 'pip install "mmseg_uncertainty[mmseg]"' in run_without(HOST, program)


def test_what_is_installed_is_told_once_it_is_needed():
    program = '''
import logging
logging.basicConfig(stream=sys.stdout, level=logging.INFO, format='%(name)s')
import mmseg_uncertainty.functional
from mmengine.config.utils import MODULE2PACKAGE
MODULE2PACKAGE['mmseg'] = 'mmseg-of-somebody'
import mmseg_uncertainty.structures
assert MODULE2PACKAGE['mmseg'] == 'mmseg-of-somebody'
import mmseg_uncertainty.models
assert MODULE2PACKAGE['mmseg'] in ('onedl-mmsegmentation', 'mmsegmentation')
'''
    assert 'mmseg_uncertainty.host' in run_without((), program)


def test_a_prediction_imports_no_library_that_other_work_needs(tmp_path):
    program = f'''
import cv2, numpy
from mmengine.registry import OPTIMIZERS
from mmseg_uncertainty.cli import main
cv2.imwrite('{tmp_path}/street.png', numpy.zeros((64, 64, 3), 'uint8'))
main(['infer', '{tmp_path}/street.png', 'segformer_b0_toy_roads', '--out', '{tmp_path}/out', '--device', 'cpu'])
print(json.dumps([name in OPTIMIZERS for name in ('AdamW', 'Adafactor')]), 'are registered')
print(json.dumps(sorted({NOT_FOR_PREDICTIONS} & set(sys.modules))))
'''
    *_, registered, imported = run_without((), program).splitlines()
    assert registered == f'[true, {json.dumps(bool(find_spec("transformers")))}] are registered'
    assert json.loads(imported) == []


def test_a_wrapped_network_predicts_without_evaluators_and_pictures():
    program = f'''
import torch, mmseg_uncertainty
mmseg_uncertainty.wrap(torch.nn.Conv2d(3, 3, 1), num_classes=3).predict(torch.randn(1, 3, 32, 32))
print(json.dumps(sorted({NOT_FOR_PREDICTIONS | NOT_FOR_WRAPPED} & set(sys.modules))))
'''
    assert json.loads(run_without((), program).splitlines()[-1]) == []


def test_names_of_the_interface_are_found():
    assert {'wrap', 'load', 'evaluate', 'UncertaintyInferencer'} <= set(dir(mmseg_uncertainty))
    for name in mmseg_uncertainty.__all__:
        assert getattr(mmseg_uncertainty, name) is not None
    with pytest.raises(AttributeError, match='no attribute .wrapp.'):
        mmseg_uncertainty.wrapp
