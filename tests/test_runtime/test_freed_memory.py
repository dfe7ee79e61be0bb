"""Memory that was freed and is needed again."""
import os
import subprocess
import sys

import pytest

from mmseg_uncertainty.runtime import freed_memory
from mmseg_uncertainty.runtime.freed_memory import CHOSEN_BY_USER, GLIBC, FreedMemory

FAULTS = """
import resource
import numpy as np
from mmseg_uncertainty.runtime.freed_memory import keep_freed_memory, return_freed_memory
if {keep}:
    keep_freed_memory()
np.ones(1 << 26, np.uint8)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    np.ones(1 << 26, np.uint8)
    if {give_back}:
        return_freed_memory()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def faults(keep, give_back=False, **environment):
    usual = {name: value for name, value in os.environ.items() if name not in CHOSEN_BY_USER}
    # Huge pages, where the system has some left, would make the count a matter of chance.
    environment = usual | {'NUMPY_MADVISE_HUGEPAGE': '0'} | environment
    script = FAULTS.format(keep=keep, give_back=give_back)
    return int(subprocess.run([sys.executable, '-c', script], env=environment, check=True, capture_output=True, text=True).stdout)


@pytest.mark.slow
@pytest.mark.skipif(not GLIBC, reason='glibc is what can be told')
def test_maps_are_cleared_once_unless_freed_memory_is_returned_or_the_user_chose_otherwise():
    usual = faults(keep=False)
    assert faults(keep=True) < 0.1 * usual
    assert faults(keep=True, give_back=True) > 0.5 * usual
    assert faults(keep=True, MALLOC_MMAP_THRESHOLD_='131072') > 0.5 * usual


def test_memory_is_returned_once_in_so_many_pixels(monkeypatch):
    returns = []
    monkeypatch.setattr(freed_memory, 'return_freed_memory', lambda: returns.append(len(seen)))
    memory, seen = FreedMemory(pixels=100), []
    for pixels in (60, 30, 20, 99, 1, 250, 10):
        seen.append(pixels)
        memory.after(pixels)
    assert returns == [3, 5, 6]
