#!/usr/bin/env bash
# Install headless Chromium and its driver from Debian's packages, for the tests of the app.
set -euo pipefail
if command -v chromium >/dev/null && command -v chromedriver >/dev/null; then
  exit 0
fi
if ! command -v apt-get >/dev/null; then
  echo 'No apt-get here. Install chromium and chromedriver yourself; the browser tests skip without them.' >&2
  exit 1
fi
as_root() { if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo -n "$@"; fi; }
export DEBIAN_FRONTEND=noninteractive
as_root apt-get update -qq
as_root apt-get install -qq -y --no-install-recommends chromium chromium-driver
