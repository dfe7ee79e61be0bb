"""mmcv's operators without the compiled ones."""
import importlib.util
import subprocess
import sys

import pytest
import torch
from mmseg.models.decode_heads import cc_head, point_head
from torch.testing import assert_close

from mmseg_uncertainty import operators
from mmseg_uncertainty.operators import python_operators

compiled_are_missing = pytest.mark.skipif(not operators.are_missing(), reason='mmcv has its compiled operators here')


@pytest.fixture
def mmcv_at(monkeypatch, tmp_path):
    """An mmcv with the Python part of its operators; returns the file of its compiled part."""
    (tmp_path / 'mmcv/ops').mkdir(parents=True)
    (tmp_path / 'mmcv/__init__.py').touch()
    spec = importlib.util.spec_from_file_location('mmcv', tmp_path / 'mmcv/__init__.py')
    monkeypatch.setattr(operators, 'find_spec', lambda name: spec)
    return tmp_path / 'mmcv/_ext.cpython-311-x86_64-linux-gnu.so'


@compiled_are_missing
def test_models_keep_the_operators_written_in_python():
    image = torch.arange(12.).reshape(1, 1, 3, 4)
    centres = torch.tensor([[[0.5 / 4, 0.5 / 3], [3.5 / 4, 2.5 / 3]]])
    assert_close(point_head.point_sample(image, centres)[0, 0], torch.tensor([0., 11.]))
    assert cc_head.CrissCrossAttention(16)(torch.zeros(1, 16, 2, 3)).shape == (1, 16, 2, 3)


@compiled_are_missing
def test_compiled_operators_say_what_is_missing():
    with python_operators():
        from mmcv.ops import nms
    with pytest.raises(NotImplementedError, match='compiled operator .nms. is not installed.*docs/models.md'):
        nms(torch.zeros(1, 4), torch.zeros(1), 0.5)


@compiled_are_missing
def test_others_find_what_is_installed():
    import mmcv
    from mmcv.utils.env import collect_env
    from mmengine.utils.dl_utils import mmcv_full_available
    assert not mmcv_full_available() and not hasattr(mmcv, 'ops')
    assert not [name for name in sys.modules if name.startswith((operators.NAME, operators.OPERATORS))]
    assert collect_env()['MMCV Compiler'] == 'n/a'
    with pytest.raises(ModuleNotFoundError, match='mmcv._ext'):
        import mmcv.ops  # noqa: F401


@compiled_are_missing
def test_a_second_block_has_the_modules_of_the_first():
    with python_operators():
        import mmcv.ops
        first = mmcv.ops.point_sample
        with python_operators():
            from mmcv.ops import point_sample
        assert mmcv.ops.point_sample is point_sample
    with python_operators():
        import mmcv.ops
        assert mmcv.ops.point_sample is first is point_head.point_sample


@compiled_are_missing
def test_an_error_in_the_block_leaves_nothing_behind():
    with pytest.raises(KeyError), python_operators():
        raise KeyError
    assert operators.NAME not in sys.modules


def test_compiled_operators_are_left_alone(mmcv_at):
    with python_operators():
        assert isinstance(sys.modules[operators.NAME], operators.MissingOperators)
    mmcv_at.touch()
    with python_operators():
        assert operators.NAME not in sys.modules


@compiled_are_missing
def test_importing_operators_before_models_fails_as_without_this_package():
    """The order in which a process imports does not matter to who asks mmcv for its operators."""
    program = '''
def fails():
    try:
        import mmcv.ops
    except ModuleNotFoundError as error:
        return error.name == 'mmcv._ext'
    return False
before = fails()
import mmseg_uncertainty.models
from mmseg.models.decode_heads.point_head import point_sample
assert before and fails() and point_sample is not None
'''
    subprocess.run([sys.executable, '-W', 'ignore', '-c', program], check=True)
