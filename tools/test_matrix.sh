#!/usr/bin/env bash
# Try the wheel and the tests that ask most of other libraries beside the lowest and the newest versions of what is supported.
# Usage: tools/test_matrix.sh [--list] [--write] [ROW ...]
#   ROW      all that need no large download, unless named
#   --list   print the rows and what they install
#   --write  put the results of all rows that have run into docs/compatibility.md
# Environments, logs and results lie in MATRIX_DIR (default work_dirs/matrix); an environment whose row is unchanged is used again.
set -uo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
work=${MATRIX_DIR:-$root/work_dirs/matrix}
export OMP_NUM_THREADS=1 OMP_WAIT_POLICY=PASSIVE PIP_DISABLE_PIP_VERSION_CHECK=1
unset PYTHONPATH

onedl='onedl-mmengine>=0.10.12 onedl-mmcv>=2.3.6 onedl-mmsegmentation>=1.4.2'
openmmlab='mmsegmentation==1.2.2 ftfy regex'
# The lower bounds in pyproject.toml.
lowest='FrEIA==0.2 matplotlib==3.7.1 numba==0.57.1 numpy==1.23.5 opencv-python==4.7.0.72 pillow==9.5.0 pyyaml==6.0.1
  scikit-learn==1.2.2 scipy==1.10.1 tqdm==4.65.0'
probes='tests/test_imports.py tests/test_host.py tests/test_upstream.py tests/test_operators.py tests/test_engine
  tests/test_functional/test_compiled.py tests/test_functional/test_position_groups.py tests/test_functional/test_risk_coverage.py
  tests/test_apis/test_config_files.py tests/test_shipped_checkpoints.py tests/test_models/test_older_torch.py
  tests/test_models/test_calibrators tests/test_models/test_bases/test_mmseg_base.py tests/test_plain/test_wrapping.py
  tests/test_plain/test_uncertainty_model.py'
outside='tests/test_engine/test_checkpoints.py tests/test_models/test_bases/test_transformers_base.py'

# Name, Python, how it is run, tests, requirements.
rows() {
  cat << ROWS
newest|3.11|always|$probes tests/test_apis/test_onnx_export.py|torch==2.13.0 $onedl onnx onnxruntime onnxscript safetensors
lowest|3.11|always|$probes|torch==2.13.0 $openmmlab mmcv-lite==2.0.0 mmengine==0.10.3 $lowest
numpy1|3.11|always|$probes|torch==2.13.0 $openmmlab mmcv-lite==2.1.0 mmengine==0.10.7 numpy==1.26.4 opencv-python<4.12
openmmlab|3.11|always|$probes|torch==2.13.0 $openmmlab mmcv-lite==2.2.0 mmengine==0.10.7
transformers-lowest|3.11|always|$outside|torch==2.13.0 $onedl transformers==5.0.0 safetensors
transformers-newest|3.11|always|$outside|torch==2.13.0 $onedl transformers safetensors
python310|3.10|by hand|$probes tests/test_apis/test_onnx_export.py|torch==2.1.2 $openmmlab mmcv-lite==2.0.1 mmengine==0.10.7 $lowest onnx==1.17.0 onnxruntime==1.19.2
python312|3.12|by hand|$probes|torch==2.14.1 $openmmlab mmcv-lite==2.2.0 mmengine==0.10.7
python313|3.13|by hand|$probes|torch==2.14.1 $onedl
python313-openmmlab|3.13|by hand|$probes|torch==2.14.1 $openmmlab mmcv-lite==2.2.0 mmengine==0.10.7
ROWS
}
rows=$(rows | tr '\n' ' ' | sed 's/ \(\S*|3\.\)/\n\1/g')

interpreter() {
  local found
  for found in "python$1" "${PYENV_ROOT:-${HOME:-/root}/.pyenv}/versions/$1".*/bin/python; do
    "$found" -c '' 2> /dev/null && { command -v "$found"; return; }
  done
  echo "Python $1 is not here" >&2
  return 1
}

prepare() {
  rm -rf "$work/source" "$work/dist" && mkdir -p "$work/source" "$work/dist"
  git -C "$root" ls-files -z | tar -C "$root" --null --files-from - -cf - | tar -C "$work/source" -xf -
  "$(interpreter 3.11)" -m pip wheel --quiet --no-deps --wheel-dir "$work/dist" "$work/source" > "$work/build.log" 2>&1
}

environment() {
  [ "$(cat "$folder/requirements" 2> /dev/null)" = "$requirements" ] && return
  rm -rf "$folder/venv"
  "$(interpreter "$version")" -m venv "$folder/venv" || return 1
  # shellcheck disable=SC2086
  $python -m pip install --quiet --upgrade pip && $python -m pip install --quiet $requirements pytest hypothesis || return 1
  echo "$requirements" > "$folder/requirements"
}

# Installing the wheel changes nothing that is there.
install() {
  $python -m pip uninstall --quiet --yes mmseg_uncertainty
  $python -m pip freeze > "$folder/before"
  $python -m pip install --quiet "$work"/dist/*.whl || return 1
  $python -m pip freeze | grep --fixed-strings --line-regexp --file - --invert-match "$folder/before" > "$folder/changed"
  [ ! -s "$folder/changed" ] || { echo 'The wheel changed:'; cat "$folder/changed"; return 1; }
}

smoke() {
  rm -rf "$folder/empty folder ü" && mkdir "$folder/empty folder ü" && cd "$folder/empty folder ü" && "$work/source/tools/wheel_smoke.sh" "$python"
}

probe() {
  # shellcheck disable=SC2086
  cd "$work/source" && $python -m pytest -q -p no:cacheprovider $tests
}

versions() {
  $python - << 'VERSIONS'
import platform
from importlib.metadata import distributions
names = ('torch', 'numpy', 'onedl-mmsegmentation', 'mmsegmentation', 'onedl-mmcv', 'mmcv-lite', 'onedl-mmengine', 'mmengine', 'scipy',
         'scikit-learn', 'matplotlib', 'numba', 'opencv-python', 'transformers', 'setuptools')
found = {entry.metadata['Name'].lower(): entry.version for entry in distributions()}
print(', '.join([f'Python {platform.python_version()}', *(f'{name} {found[name]}' for name in names if name in found)]))
VERSIONS
}

run_row() {
  IFS='|' read -r name version how tests requirements <<< "$1"
  requirements=$(echo $requirements) folder=$work/$name python=$work/$name/venv/bin/python
  mkdir -p "$folder"
  local step result=works
  for step in environment install smoke probe; do
    ($step) > "$folder/$step.log" 2>&1 || { result="fails: $step"; break; }
  done
  local counted
  counted=$(tail -n 1 "$folder/probe.log" 2> /dev/null | grep --only-matching '[0-9].*\(passed\|failed\|skipped\)' || echo none)
  [ "$result" = works ] || [ "$step" = probe ] || counted=none
  echo "| $name | $how | $(versions 2> /dev/null) | $result | $counted | $(date +%F) |" | tee "$folder/result.md"
  [ "$result" = works ] || { tail -n 15 "$folder/$step.log" >&2; return 1; }
}

table() {
  echo '| row | is run | beside | | tests | on |'
  echo '|---|---|---|---|---|---|'
  echo "$rows" | while IFS='|' read -r name _; do cat "$work/$name/result.md" 2> /dev/null; done
}

write() {
  local page=$root/docs/compatibility.md
  table > "$work/table.md"
  sed -i -e "/<!-- rows -->/,/<!-- end of rows -->/{/<!-- rows -->/{p;r $work/table.md
};/<!-- end of rows -->/p;d}" "$page"
}

chosen=() writes=
for argument in "$@"; do
  case $argument in
    --list) echo "$rows" | awk -F'|' '{print $1 " (Python " $2 ", " $3 "): " $5}'; exit ;;
    --write) writes=yes ;;
    *) echo "$rows" | grep --quiet "^$argument|" || { echo "There is no row $argument; --list names them." >&2; exit 2; }
       chosen+=("$argument") ;;
  esac
done
if [ ${#chosen[@]} = 0 ] && [ -z "$writes" ]; then
  mapfile -t chosen < <(echo "$rows" | awk -F'|' '$3 == "always" {print $1}')
fi
failed=0
if [ ${#chosen[@]} -gt 0 ]; then
  mkdir -p "$work"
  prepare || { cat "$work/build.log" >&2; exit 1; }
fi
for name in "${chosen[@]}"; do
  run_row "$(echo "$rows" | grep "^$name|")" < /dev/null || failed=1
done
[ -z "$writes" ] || write
exit $failed
