"""Settings of all tests, and the real data where it is at hand."""
import gc
import os
import warnings
from pathlib import Path

import pytest
import torch

warnings.filterwarnings('ignore', message='Fail to import')

import mmseg_uncertainty.registered  # noqa: E402,F401
from mmengine.registry import init_default_scope  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
# Files whose tests take minutes; a process that takes one of them last is alone at the end.
LONGEST_FIRST = ('test_zoo_table.py', 'test_refusals.py', 'test_tools', 'test_cli', 'test_app', 'test_models')
torch.set_num_threads(1)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items):
    """Tests of the longest files first, else in their order."""
    items.sort(key=lambda item: next(
        (place for place, name in enumerate(LONGEST_FIRST) if name in item.path.parts), len(LONGEST_FIRST)))


@pytest.hookimpl(trylast=True)
def pytest_collection_finish():
    """Datasets of mmengine collect garbage when they are built; what stays anyway is not searched again."""
    gc.collect()
    gc.freeze()


@pytest.fixture(autouse=True)
def _mmseg_scope():
    init_default_scope('mmseg')


@pytest.fixture(scope='session', autouse=True)
def _plain_layout_of_configs():
    """Configs keep their content; to lay them out for people takes a third of a second of every run."""
    patch = pytest.MonkeyPatch()
    patch.setattr('yapf.yapflib.yapf_api.FormatCode', lambda text, **options: (text, True))
    yield
    patch.undo()


@pytest.fixture(autouse=True)
def _subnormal_numbers():
    """Commands take them for zero, in the whole process; tests draw any number."""
    torch.set_flush_denormal(False)


@pytest.fixture(scope='session')
def data_root():
    """Folder of the real data; tests that need it skip without, or fail where REQUIRE_REAL_DATA is set."""
    root = Path(os.environ.get('DATA_ROOT', ROOT / 'data'))
    if (root / 'weights').is_dir():
        return root
    message = f'no real data in {root}; link it there or set DATA_ROOT'
    if os.environ.get('REQUIRE_REAL_DATA'):
        pytest.fail(message)
    pytest.skip(message)
