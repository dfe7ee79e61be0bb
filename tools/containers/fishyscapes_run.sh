#!/bin/sh
# What a container of fishyscapes.Dockerfile runs; CONFIG, HEAD and OPTIONS come from its build.
set -eu
# Options are words, as --tta 1 0.5 0.25 --no-flip.
# shellcheck disable=SC2086
exec mmseg-uncertainty submit fishyscapes "$CONFIG" "${CHECKPOINT:-/opt/submission/checkpoint.pth}" --head "$HEAD" \
  --images "${INPUT:-/input}" --out "${OUTPUT:-/output}" ${OPTIONS:-}
