"""Exactly one MMSegmentation, found and named."""
import subprocess
import sys

import pytest
from mmengine.config import Config
from mmengine.config.utils import MODULE2PACKAGE

from mmseg_uncertainty import host

ONEDL = {'onedl-mmsegmentation': '1.4.2', 'onedl-mmcv': '2.3.6', 'onedl-mmengine': '0.10.12'}
OPENMMLAB = {'mmsegmentation': '1.2.2', 'mmcv': '2.1.0', 'mmengine': '0.10.7'}


@pytest.fixture
def installed(monkeypatch):
    def pretend(distributions):
        monkeypatch.setattr(host, '_version', distributions.get)

    monkeypatch.setitem(MODULE2PACKAGE, 'mmseg', MODULE2PACKAGE['mmseg'])
    return pretend


@pytest.mark.parametrize('stack, distribution', [(ONEDL, 'onedl-mmsegmentation'), (OPENMMLAB, 'mmsegmentation')])
def test_configs_of_the_installed_stack_are_found(installed, stack, distribution):
    installed(stack)
    host.connect_host()
    assert MODULE2PACKAGE['mmseg'] == distribution


def test_two_stacks_are_named(installed):
    installed({**ONEDL, **OPENMMLAB})
    with pytest.raises(ImportError, match='onedl-mmcv.*mmsegmentation, mmcv'):
        host.connect_host()


def test_no_stack_says_how_to_get_one(installed):
    installed({})
    with pytest.raises(ImportError, match=r'mmseg_uncertainty\[mmseg\]'):
        host.connect_host()


def test_zoo_configs_can_be_inherited(tmp_path):
    (tmp_path / 'config.py').write_text("_base_ = ['mmseg::_base_/models/segformer_mit-b0.py']\n")
    assert Config.fromfile(tmp_path / 'config.py').model.type == 'EncoderDecoder'


def test_importing_says_nothing():
    imported = subprocess.run([sys.executable, '-W', 'ignore', '-c', 'import mmseg_uncertainty.registered'], capture_output=True,
                              text=True, check=True)
    assert imported.stdout == imported.stderr == ''
