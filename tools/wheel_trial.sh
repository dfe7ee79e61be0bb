#!/usr/bin/env bash
# Build sdist and wheel, check them, install the wheel beside the libraries of PYTHON, and use it from an empty folder.
# Usage: tools/wheel_trial.sh [PYTHON]; PYTHON needs the requirements, setuptools and wheel, and may have `build` and `twine`.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
python=$(readlink -f "$(dirname "$(command -v "${1:-$root/.venv/bin/python}")")")/python
trial=$(mktemp -d)
trap 'rm -rf "$trial"' EXIT
# Only what git knows: files that lie about in a clone must not make a wheel work.
mkdir "$trial/source"
git -C "$root" ls-files -z | tar -C "$root" --null --files-from - -cf - | tar -C "$trial/source" -xf -
cd "$trial/source"
"$python" -c 'from setuptools.build_meta import build_sdist; build_sdist("../dist")' > "$trial/build.log"
mkdir "$trial/unpacked" && tar -C "$trial/unpacked" --strip-components 1 -xzf "$trial"/dist/*.tar.gz
cd "$trial/unpacked"
"$python" -m pip wheel --quiet --no-build-isolation --no-deps --wheel-dir "$trial/dist" .
if "$python" -c 'import twine' 2> /dev/null; then
  "$python" -m twine check --strict "$trial"/dist/*
fi
# --system-site-packages would give the libraries of the interpreter, not of the environment of PYTHON.
"$python" -m venv --without-pip "$trial/venv"
site=$("$trial/venv/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
"$python" -m pip install --quiet --no-deps --target "$trial/target" "$trial"/dist/*.whl
cp -r "$trial/target/." "$site/"
"$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > "$site/libraries.pth"
mkdir "$trial/empty folder" && cd "$trial/empty folder"
unset PYTHONPATH
run="$trial/venv/bin/python -m mmseg_uncertainty"
$run --version
$run models > models.txt
grep -q segformer_b0_camvid models.txt
"$trial/venv/bin/python" - << 'TRY'
import mmseg_uncertainty
from mmengine.config import Config
import mmseg_uncertainty.registered
assert 'venv' in mmseg_uncertainty.__file__, mmseg_uncertainty.__file__
open('own.py', 'w').write("_base_ = ['mmseg::_base_/models/segformer_mit-b0.py', 'mmseg_uncertainty::_base_/posthoc/scores.py']\n"
                          "model = dict(type='PosthocSegmentor', uncertainty_heads=_base_.heads)\n")
from mmseg.registry import MODELS
from mmengine.registry import init_default_scope
init_default_scope('mmseg')
assert 'entropy' in MODELS.build(Config.fromfile('own.py').model).uncertainty_heads
import cv2, numpy
cv2.imwrite('street.png', numpy.random.default_rng(0).integers(0, 255, (96, 128, 3), numpy.uint8))
TRY
$run infer street.png segformer_b0_camvid --out mine
test -s mine/figures/street.png
$run test segformer_b0_toy_roads --eval IDM --heads msp --out results.json --cfg-options test_dataloader.dataset.length=2
test -s results.json
echo "The wheel works from another folder: $(ls "$trial"/dist/*.whl | xargs -n 1 basename)"
