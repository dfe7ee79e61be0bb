"""A process that dies ends the job, which then goes on."""
import os
import re
import subprocess
import sys

import torch
from mmengine.config import Config

from tests.test_tools.test_torchrun import TOOLS
from tests.test_tools.test_train_and_test import HEADS, base  # noqa: F401
from tests.tiny import TINY_TOY_ROADS, tiny_posthoc

KILLER = '''
import os
import pathlib
import signal

from mmengine.dist import get_rank
from mmengine.hooks import Hook
from mmengine.registry import HOOKS


@HOOKS.register_module()
class KillRank(Hook):

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        mark = pathlib.Path('killed')
        if runner.iter == 4 and get_rank() == 1 and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
'''


def test_a_rank_that_dies_ends_the_job_and_resume_goes_on(base, tmp_path):  # noqa: F811
    (tmp_path / 'killer.py').write_text(KILLER)
    Config(dict(TINY_TOY_ROADS, model=tiny_posthoc(HEADS, classes=8), custom_imports=dict(imports=['killer']),
                custom_hooks=[dict(type='KillRank')])).dump(tmp_path / 'config.py')
    command = [sys.executable, '-m', 'torch.distributed.run', '--nproc-per-node', '2', '--standalone', TOOLS / 'train.py',
               'config.py', '--load-from', base, '--work-dir', 'run', '--resume', '--launcher', 'pytorch']
    environment = dict(os.environ, PYTHONPATH=os.pathsep.join([str(tmp_path), str(TOOLS.parent)]), OMP_NUM_THREADS='1')
    first, second = (subprocess.run(command, cwd=tmp_path, env=environment, timeout=900, capture_output=True, text=True)
                     for _ in range(2))
    assert first.returncode != 0 and 'SIGKILL' in first.stderr
    assert second.returncode == 0, second.stderr
    logs = ''.join(path.read_text() for path in (tmp_path / 'run').rglob('*.log'))
    assert re.search(r'resumed epoch: 0, iter: [24]', logs + second.stdout + second.stderr)
    meta = torch.load(tmp_path / 'run/iter_6.pth', weights_only=False)['meta']
    assert meta['iter'] == 6
