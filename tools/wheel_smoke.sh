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
open('own.py', 'w').write("_base_ = ['mmseg::_base_/models/segformer_mit-b0.py', 'mmseg_uncertainty::_base_/posthoc/scores.py']\n"
                          "model = dict(type='PosthocSegmentor', uncertainty_heads=_base_.heads)\n")
from mmseg.registry import MODELS
from mmengine.registry import init_default_scope
init_default_scope('mmseg')
assert 'entropy' in MODELS.build(Config.fromfile('own.py').model).uncertainty_heads
import cv2, numpy
cv2.imwrite('street.png', numpy.random.default_rng(0).integers(0, 255, (96, 128, 3), numpy.uint8))
TRY
"$python" -m mmseg_uncertainty infer street.png segformer_b0_camvid --out mine
test -s mine/figures/street.png
"$python" -m mmseg_uncertainty test segformer_b0_toy_roads --eval IDM --heads msp --out results.json \
  --cfg-options test_dataloader.dataset.length=2
test -s results.json
