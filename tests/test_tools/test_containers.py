"""The recipe of the container copies what is there, and runs a command that writes what the server reads."""
import os
import re
import shlex
import stat
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mmseg_uncertainty.cli.commands import call, parse
from tests.test_cli.test_submit import tiny  # noqa: F401

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / 'tools/containers'
RECIPE = re.sub(r'\\\n\s*', '', (FOLDER / 'fishyscapes.Dockerfile').read_text())
STEPS = [line.split(' ', 1) for line in RECIPE.splitlines() if line and not line.startswith('#')]


def test_what_is_copied_is_in_the_clone():
    sources = [word for kind, words in STEPS if kind == 'COPY' for word in shlex.split(words)[:-1]]
    assert '${CHECKPOINT}' in sources
    assert all((ROOT / source).exists() for source in sources if '$' not in source)


def test_steps_are_those_that_docker_knows():
    assert {kind for kind, _ in STEPS} <= {'FROM', 'RUN', 'COPY', 'WORKDIR', 'ARG', 'ENV', 'CMD'}
    assert STEPS[0][0] == 'FROM' and STEPS[-1] == ['CMD', '["sh", "/opt/submission/run.sh"]']
    named = {words.partition('=')[0] for kind, words in STEPS if kind == 'ARG'}
    assert set(re.findall(r'\$\{(\w+)\}', RECIPE)) <= named


def test_the_apptainer_image_runs_the_same():
    definition = (FOLDER / 'fishyscapes.def').read_text()
    assert definition.rstrip().endswith('exec sh /opt/submission/run.sh') and 'From: submission:latest' in definition


def test_its_command_is_one_of_the_package():
    command = re.search(r'^exec mmseg-uncertainty (.*)', (FOLDER / 'fishyscapes_run.sh').read_text().replace('\\\n', ' '), re.M)[1]
    words = shlex.split(re.sub(r'\$\{\w+:-([^}]*)\}', r'\1', command))
    args = parse(words[0], words[1:])
    assert (args.benchmark, str(args.images), str(args.out)) == ('fishyscapes', '/input', '/output')


@pytest.mark.skipif(sys.platform != 'linux', reason='the container is one of Linux')
def test_its_words_write_what_the_server_reads(tiny, monkeypatch):  # noqa: F811
    program = tiny / 'bin/mmseg-uncertainty'
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > {tiny}/words\n')
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    settings = dict(
        PATH=f'{program.parent}:{os.environ["PATH"]}', CONFIG=str(tiny / 'tiny.py'), HEAD='msp', OPTIONS='--tta 1 2 --no-flip',
        CHECKPOINT=str(tiny / 'tiny.pth'), INPUT=str(tiny / 'track/images'), OUTPUT=str(tiny / 'output'))
    subprocess.run(['sh', str(FOLDER / 'fishyscapes_run.sh')], cwd='/', env=settings, check=True)
    command, *words = (tiny / 'words').read_text().splitlines()
    monkeypatch.chdir('/')
    call(command, words)
    for index in range(3):
        assert np.load(tiny / f'output/frame{index}_anomaly.npy').shape == (48, 64)
        assert np.load(tiny / f'output/frame{index}_segmentation.npy').max() < 19
