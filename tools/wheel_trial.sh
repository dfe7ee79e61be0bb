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
"$trial/source/tools/wheel_smoke.sh" "$trial/venv/bin/python"
echo "The wheel works from another folder: $(ls "$trial"/dist/*.whl | xargs -n 1 basename)"
