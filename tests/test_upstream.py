"""Libraries of OpenMMLab run beside a setuptools and an mmcv that came after them."""
import importlib.util
import subprocess
import sys
from importlib.metadata import PackageNotFoundError

import mmcv
import pytest
import torch
from mmengine.config import Config, config, utils
from mmengine.utils import package_utils
from torch import nn

from mmseg_uncertainty import host, upstream
from mmseg_uncertainty.apis import config_files

OPENMMLAB = {'mmsegmentation': '1.2.2', 'mmcv': '2.1.0', 'mmengine': '0.10.7'}


def asks_setuptools(package):
    raise ModuleNotFoundError("No module named 'pkg_resources'")


@pytest.fixture
def without_setuptools(monkeypatch):
    """mmengine as OpenMMLab has it, in an environment whose setuptools has no pkg_resources."""
    def found(name):
        return None if name == 'pkg_resources' else importlib.util.find_spec(name)

    monkeypatch.setattr(upstream, 'find_spec', found)
    monkeypatch.setattr(config, 'is_installed', asks_setuptools)
    monkeypatch.setattr(config, 'get_installed_path', asks_setuptools)
    monkeypatch.setattr(package_utils, 'get_installed_path', asks_setuptools)


def test_packaged_configs_are_found_without_setuptools(without_setuptools, monkeypatch, tmp_path):
    monkeypatch.setattr(host, 'installed_stacks', lambda: {'OpenMMLab': list(OPENMMLAB)})
    host.connect_host()
    (tmp_path / 'config.py').write_text("_base_ = ['mmseg::_base_/models/segformer_mit-b0.py', "
                                        "'mmseg_uncertainty::_base_/posthoc/scores.py']\n")
    assert 'heads' in Config.fromfile(tmp_path / 'config.py')
    assert config_files.find_config('mmseg::pspnet/pspnet_r18-d8_4xb4-80k_loveda-512x512').is_file()
    (tmp_path / 'config.py').write_text("_base_ = ['mmdet3d::a/b.py']\n")
    with pytest.raises(ModuleNotFoundError, match='mmdet3d is not installed'):
        Config.fromfile(tmp_path / 'config.py')
    with pytest.raises(PackageNotFoundError, match='mmdet3d'):
        config.get_installed_path('mmdet3d')


def test_with_setuptools_mmengine_asks_it(monkeypatch):
    monkeypatch.setattr(upstream, 'find_spec', lambda name: object())
    monkeypatch.setattr(config, 'is_installed', asks_setuptools)
    upstream.find_packages_without_setuptools()
    assert config.is_installed is asks_setuptools


def test_adafactor_is_that_of_transformers():
    transformers = pytest.importorskip('transformers')
    optimizer = upstream.adafactor([nn.Parameter(torch.zeros(2))], lr=0.5, relative_step=False)
    assert isinstance(optimizer, transformers.Adafactor) and optimizer.defaults['lr'] == 0.5


def test_configs_that_are_files_are_found_without_metafiles(monkeypatch, tmp_path):
    def read(package, name):
        raise ValueError(f'read metafiles for {name}')

    monkeypatch.setattr(utils, '_get_cfg_metainfo', read)
    for name in ('_base_/models/segformer_mit-b0.py', 'pspnet/pspnet_r18-d8_4xb4-80k_loveda-512x512.py'):
        (tmp_path / 'config.py').write_text(f"_base_ = ['mmseg::{name}']\n")
        assert Config.fromfile(tmp_path / 'config.py').model.type == 'EncoderDecoder'
    with pytest.raises(ValueError, match='read metafiles for pspnet/of_nobody'):
        upstream.external_config(str(tmp_path), 'pspnet/of_nobody.py')


@pytest.mark.parametrize('version, told', [('2.0.0', '2.0.0'), ('2.1.0', '2.1.0'), ('2.2.0', '2.1.0'), ('2.3.6', '2.3.6')])
def test_mmcv_2_2_is_accepted_while_libraries_are_imported(monkeypatch, version, told):
    monkeypatch.setattr(mmcv, '__version__', version)
    with upstream.accepted_mmcv():
        assert mmcv.__version__ == told
    with pytest.raises(KeyError), upstream.accepted_mmcv():
        raise KeyError
    assert mmcv.__version__ == version


def test_models_are_imported_within_the_block():
    """``mmseg`` checks the version when it is imported, so it is imported again here, in a process of its own."""
    program = '''
import mmcv
mmcv.__version__ = '2.2.0'
import sys
class Watch:
    def find_spec(self, name, path=None, target=None):
        if name == 'mmseg':
            told.append(mmcv.__version__)
told = []
sys.meta_path.insert(0, Watch())
import mmseg_uncertainty.connected
print('told', *told, 'left', mmcv.__version__)
'''
    done = subprocess.run([sys.executable, '-W', 'ignore', '-c', program], capture_output=True, text=True)
    assert done.stdout.split() == ['told', '2.1.0', 'left', '2.2.0'], done.stderr[-500:]
