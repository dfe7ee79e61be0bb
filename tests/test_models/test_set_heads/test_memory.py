"""What calibrating and predicting one large image needs, measured in a process of its own."""
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(not sys.platform.startswith('linux'), reason='peaks are read from /proc')
MEASURE = """
import sys, torch
from mmseg_uncertainty.models.set_heads import ConformalRiskControlHead, KandinskyHead
from mmseg_uncertainty.structures import FrozenOutputs

torch.set_num_threads(1)
torch.manual_seed(0)
metas = [dict(img_path='0.png', calibration_position=0.0)]

def resident(field):
    lines = open('/proc/self/status').read().splitlines()
    return 1024 * int(next(line for line in lines if line.startswith(field)).split()[1])

def peak(function, *arguments):
    open('/proc/self/clear_refs', 'w').write('5')
    before = resident('VmRSS')
    function(*arguments)
    return resident('VmHWM') - before

def peaks(rows):
    head, logits = eval(sys.argv[1]), torch.empty(1, 19, rows, 2 * rows).normal_(0, 4)
    labels = logits.argmax(1)
    labels[torch.rand(labels.shape) < 0.1] = 3
    head.start_stage(0)
    used = peak(head.update, FrozenOutputs(logits, logits, None), labels, metas)
    head.merge_ranks()
    head.finish_stage(0)
    sets = peak(lambda: head(head.probabilities(logits)))
    return [bytes_ / (logits.numel() * 4) for bytes_ in (used, sets)]

peaks(8)  # what is imported and compiled at first use
used, sets = peaks(int(sys.argv[2]))
print(used, sets)
"""


@pytest.mark.parametrize('head, rows', [('ConformalRiskControlHead(19)', 1024),
                                        ("ConformalRiskControlHead(19, family=dict(kind='aps'))", 1024),
                                        ("KandinskyHead(19, grouping='zones')", 1024)])
def test_one_image_takes_about_two_softmax_maps_at_most(head, rows):
    command = [sys.executable, '-c', MEASURE, head, str(rows)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    used, sets = map(float, result.stdout.split()[-2:])
    # A softmax map itself is 1, less the pages that the process had already; the system keeps some pages on top.
    assert 0.98 < used < 2.25 and 0.98 < sets < 2.25
