#!/usr/bin/env bash
# Use an installed mmseg_uncertainty from the current folder, which should be empty: commands, configs, a model, an evaluation.
# Usage: tools/wheel_smoke.sh PYTHON
set -euo pipefail
python=$1
unset PYTHONPATH
"$python" -m mmseg_uncertainty --version
"$python" -m mmseg_uncertainty models > models.txt
grep -q segformer_b0_camvid models.txt
"$python" - << 'TRY'
import sys
import mmseg_uncertainty
from mmengine.config import Config
import mmseg_uncertainty.registered
assert mmseg_uncertainty.__file__.startswith(sys.prefix), mmseg_uncertainty.__file__
from pathlib import Path
assert Path(mmseg_uncertainty.__file__).with_name('py.typed').is_file()
open('own.py', 'w').write("_base_ = ['mmseg::_base_/models/segformer_mit-b0.py', 'mmseg_uncertainty::_base_/posthoc/scores.py']\n"
                          "model = dict(type='PosthocSegmentor', uncertainty_heads=_base_.heads)\n")
from mmseg.registry import MODELS
from mmengine.registry import init_default_scope
init_default_scope('mmseg')
assert 'entropy' in MODELS.build(Config.fromfile('own.py').model).uncertainty_heads
import cv2, numpy
for folder, values, channels in (('images', 255, (3, )), ('labels', 11, ())):
    Path(folder).mkdir()
    for index in range(4):
        pixels = numpy.random.default_rng(index).integers(0, values, (96, 128, *channels), numpy.uint8)
        cv2.imwrite(f'{folder}/{index}.png', pixels)
TRY
"$python" -m mmseg_uncertainty infer images/0.png segformer_b0_camvid --out mine
test -s mine/figures/0.jpg
"$python" -m mmseg_uncertainty fit segformer_b0_camvid --add temperature --images images --labels labels --out fitted.pth
"$python" -m mmseg_uncertainty test fitted.py fitted.pth --images images --labels labels --allow-overlap --eval ECE --out mine.json
test -s mine.json
"$python" -m mmseg_uncertainty test segformer_b0_toy_roads --eval IDM --heads msp --out results.json \
  --cfg-options test_dataloader.dataset.length=2
test -s results.json
