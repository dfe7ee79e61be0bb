"""mmcv's operators without the compiled ones."""
import importlib.util
import sys

import pytest
import torch
from torch.testing import assert_close

from mmseg_uncertainty import operators

pytestmark = pytest.mark.skipif(not isinstance(sys.modules.get(operators.NAME), operators.MissingOperators),
                                reason='mmcv has its compiled operators here')


def test_operators_in_python_work():
    from mmcv.ops import point_sample
    image = torch.arange(12.).reshape(1, 1, 3, 4)
    centres = torch.tensor([[[0.5 / 4, 0.5 / 3], [3.5 / 4, 2.5 / 3]]])
    assert_close(point_sample(image, centres)[0, 0], torch.tensor([0., 11.]))


def test_compiled_operators_say_what_is_missing():
    from mmcv.ops import nms
    with pytest.raises(NotImplementedError, match='compiled operator .nms. is not installed.*docs/models.md'):
        nms(torch.zeros(1, 4), torch.zeros(1), 0.5)


def test_the_environment_can_still_be_described():
    from mmcv.utils.env import collect_env
    assert collect_env()['MMCV Compiler'] == 'not compiled'


def test_compiled_operators_are_left_alone(monkeypatch, tmp_path):
    (tmp_path / 'mmcv/ops').mkdir(parents=True)
    (tmp_path / 'mmcv/__init__.py').touch()
    spec = importlib.util.spec_from_file_location('mmcv', tmp_path / 'mmcv/__init__.py')
    monkeypatch.setattr(operators, 'find_spec', lambda name: spec)
    monkeypatch.delitem(sys.modules, operators.NAME)
    (tmp_path / 'mmcv/_ext.cpython-311-x86_64-linux-gnu.so').touch()
    operators.offer_python_operators()
    assert operators.NAME not in sys.modules
    (tmp_path / 'mmcv/_ext.cpython-311-x86_64-linux-gnu.so').unlink()
    operators.offer_python_operators()
    assert isinstance(sys.modules[operators.NAME], operators.MissingOperators)
