#!/usr/bin/env bash
# Compares the GPU of this machine with its CPU and writes the page, unattended and in less than ten minutes.
#   tools/benchmarks/gpu.sh [PAGE.md] [options of tools/benchmarks/gpu.py, such as --quick --device cpu]
set -euo pipefail
cd "$(dirname "$0")/../.."
PAGE=work_dirs/benchmarks/gpu.md
if [[ ${1:-} == *.md ]]; then PAGE=$1; shift; fi
PYTHON=${PYTHON:-$([ -x .venv/bin/python ] && echo .venv/bin/python || echo python3)}
mkdir -p "$(dirname "$PAGE")" work_dirs/benchmarks
# A run that is stopped leaves no page that says less than was asked for.
timeout "${GPU_SECONDS:-600}" "$PYTHON" tools/benchmarks/gpu.py --json work_dirs/benchmarks/gpu.json "$@"
"$PYTHON" tools/benchmarks/run_all.py --gpu-page "$PAGE"
echo "Written: $PAGE"
