"""Functions are compiled with and without a place for numba's cache, and torch is asked in its own words."""
import subprocess
import sys

import pytest
import torch

from mmseg_uncertainty.functional.compiled import autocast_precision, compiled, is_compiling

NOWHERE = """
from numba.core import caching
caching.CacheImpl._locator_classes = []
import importlib, pkgutil
import numpy as np
import mmseg_uncertainty.functional
for module in pkgutil.iter_modules(mmseg_uncertainty.functional.__path__, 'mmseg_uncertainty.functional.'):
    importlib.import_module(module.name)
from mmseg_uncertainty.functional import calibration_error
edges = np.linspace(0, 1, 11, dtype=np.float32)
print(calibration_error.bin_between(np.float32(0.35), edges))
"""


@pytest.mark.slow
def test_without_a_folder_for_the_cache_functions_compile_all_the_same():
    result = subprocess.run([sys.executable, '-c', NOWHERE], capture_output=True, text=True, check=False)
    assert result.stdout.split() == ['3'], result.stderr[-500:]


def test_functions_are_cached_where_they_can_be():
    @compiled(nogil=True)
    def twice(value):
        return 2 * value

    assert twice(3) == 6 and twice.targetoptions['nogil'] and twice.stats.cache_path


@pytest.mark.skipif(not hasattr(torch.compiler, 'is_compiling'), reason='torch 2.1 has it elsewhere')
def test_torch_is_asked_where_it_does_not_warn():
    assert is_compiling is torch.compiler.is_compiling


def test_compiling_is_noticed():
    assert not is_compiling()

    def marked(values):
        return values + 1 if is_compiling() else values

    assert torch.compile(marked, backend='eager')(torch.zeros(1)).item() == 1


@pytest.mark.parametrize('old', [False, True])
def test_the_precision_of_mixed_precision_is_known(monkeypatch, old):
    for on, expected in ((False, None), (True, torch.bfloat16)):
        with torch.autocast('cpu', dtype=torch.bfloat16, enabled=on), monkeypatch.context() as patch:
            if old:
                patch.delattr(torch, 'get_autocast_dtype', raising=False)
            assert autocast_precision('cpu') is expected
