"""Files of torch compute what the model does."""
import pytest
import torch

from mmseg_uncertainty.apis.exported_segmentor import ExportedSegmentor
from mmseg_uncertainty.apis.torch_export import export_program, export_torchscript
from tests.test_apis.export_models import DEEPLAB, SET_HEAD, posthoc

BASES = pytest.mark.parametrize('base', [None, DEEPLAB], ids=['SegFormer', 'DeepLabV3+'])


def assert_same(found, expected, tolerance=1e-4):
    for one, other in zip(found, expected, strict=True):
        if one.dtype.is_floating_point:
            torch.testing.assert_close(one, other, atol=tolerance, rtol=0)
        else:
            assert torch.equal(one, other)


@BASES
def test_torchscript_takes_any_size_and_batch(base, tmp_path):
    segmentor = ExportedSegmentor(posthoc(base, set_head=SET_HEAD), preprocess=True, probabilities=True)
    script = torch.jit.load(str(export_torchscript(segmentor, tmp_path / 'model.pt')))
    for batch, height, width in ((1, 37, 53), (4, 64, 80)):
        images, = segmentor.example_inputs(batch, height, width)
        with torch.no_grad():
            assert_same(script(images), segmentor(images))


@pytest.mark.parametrize('base, heads', [(None, None), (DEEPLAB, ['msp'])], ids=['SegFormer', 'DeepLabV3+'])
def test_programs_have_one_size(base, heads, tmp_path):
    segmentor = ExportedSegmentor(posthoc(base, set_head=SET_HEAD), heads, preprocess=True)
    program = torch.export.load(str(export_program(segmentor, tmp_path / 'model.pt2', 1, 64, 96)))
    images, = segmentor.example_inputs(1, 64, 96, seed=3)
    with torch.no_grad():
        assert_same(program.module()(images), segmentor(images), 1e-5)
