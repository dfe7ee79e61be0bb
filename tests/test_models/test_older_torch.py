"""What the package asks of torch is in torch 2.1 too; here the younger names are taken away from it."""
import copy
import inspect
import sys

import pytest
import torch
from torch import nn

import mmseg_uncertainty
from mmseg_uncertainty.apis import onnx_export, torch_export
from mmseg_uncertainty.apis.exported_segmentor import ExportedSegmentor
from mmseg_uncertainty.functional.compiled import is_compiling
from mmseg_uncertainty.functional.flow_inputs import standardize_over_image
from tests.test_apis.export_models import posthoc


@pytest.fixture(autouse=True)
def older_torch(monkeypatch):
    def asked_by_torch_alone():
        if sys._getframe(1).f_globals['__name__'].startswith('mmseg_uncertainty'):
            raise AttributeError("module 'torch.compiler' has no attribute 'is_compiling'")
        return is_compiling()

    monkeypatch.setattr(torch.compiler, 'is_compiling', asked_by_torch_alone, raising=False)
    monkeypatch.delattr(nn.Module, 'register_load_state_dict_pre_hook', raising=False)


def test_a_network_is_wrapped_saved_and_loaded(tmp_path):
    network, images = nn.Conv2d(3, 4, 1), torch.rand(1, 3, 8, 8)
    model = mmseg_uncertainty.wrap(copy.deepcopy(network), num_classes=4, heads=['msp'])
    expected = model.predict(images).uncertainty['msp']
    model.save(tmp_path / 'model.pth')
    again = mmseg_uncertainty.load(tmp_path / 'model.pth', network)
    assert torch.equal(torch.as_tensor(again.predict(images).uncertainty['msp']), torch.as_tensor(expected))


def test_its_only_exporter_writes_onnx(tmp_path, monkeypatch):
    pytest.importorskip('onnx', reason='onnx is not installed; pip install "mmseg_uncertainty[onnx]"')
    export = torch.onnx.export
    newer = {'dynamo': False} if 'dynamo' in inspect.signature(export).parameters else {}

    def older(model, args, f, *, opset_version, input_names, output_names, dynamic_axes):
        return export(model, args, f, opset_version=opset_version, input_names=input_names, output_names=output_names,
                      dynamic_axes=dynamic_axes, **newer)

    monkeypatch.setattr(torch.onnx, 'export', older)
    assert onnx_export.export_onnx(ExportedSegmentor(posthoc(), ['msp']), tmp_path / 'model.onnx').is_file()


def test_padding_is_left_out_without_asking_where_of_a_number(monkeypatch):
    """The exporter of torch 2.1 gives such a number a type of its own, which no ONNX runtime loads beside float32."""
    where = torch.Tensor.where

    def of_tensors(self, condition, other):
        assert isinstance(other, torch.Tensor)
        return where(self, condition, other)

    maps, valid = torch.rand(2, 3, 4, 5), torch.arange(5).expand(2, 1, 4, 5) < 3
    maps[..., 3:] = torch.nan
    monkeypatch.setattr(torch.Tensor, 'where', of_tensors)
    found = standardize_over_image(maps, valid)[..., :3]
    torch.testing.assert_close(found, standardize_over_image(maps[..., :3], None))


def test_programs_say_which_torch_they_need(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.export, 'export', lambda module, args, kwargs=None, *, constraints=None: None)
    with pytest.raises(ValueError, match=r'need torch 2\.4 or newer.*FILE\.onnx'):
        torch_export.export_program(ExportedSegmentor(posthoc(), ['msp']), tmp_path / 'model.pt2', 1, 64, 96)
