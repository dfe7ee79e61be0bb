"""Base models in float16 and in 8 bits, scores in float32."""
from types import SimpleNamespace

import numpy as np
import pytest
from mmengine.registry import init_default_scope

from mmseg_uncertainty.apis.export_parity import changes, graph_parity, image_parity, street
from mmseg_uncertainty.apis.exported_segmentor import ExportedSegmentor
from mmseg_uncertainty.apis.onnx_export import export_onnx, onnx_runner
from mmseg_uncertainty.apis.onnx_quantization import base_layers, quantize_onnx
from mmseg_uncertainty.apis.torch_export import export_torchscript, torchscript_predictor
from mmseg_uncertainty.cli.export import check_half
from mmseg_uncertainty.runtime.onnx_segmentor import OnnxSegmentor
from tests.test_apis.export_models import DEEPLAB, HEADS, SET_HEAD, as_it_is_and_exported, balance, posthoc
from tests.tiny import tiny_posthoc

onnx = pytest.importorskip('onnx', reason='onnx is not installed; pip install "mmseg_uncertainty[onnx]"')
pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')
RESIZE = dict(type='Resize', scale=(96, 64), keep_ratio=True)


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmseg')


def fill(model):
    balance(model)
    model.set_head.thresholds.fill_(0.2)


def test_halved_models_predict_nearly_the_same(tmp_path):
    model = tiny_posthoc(dict(fedc=HEADS['fedc'], msp=HEADS['msp']), set_head=SET_HEAD)
    inferencer, segmentor = as_it_is_and_exported(model, tmp_path, RESIZE, fit=fill, half=True)
    path = export_onnx(segmentor, tmp_path / 'model.onnx')
    graph = onnx.load(str(path)).graph
    kept = {entry.name for entry in graph.output if entry.type.tensor_type.elem_type == onnx.TensorProto.FLOAT}
    assert {'logits', 'uncertainty_fedc', 'uncertainty_msp'} <= kept
    halved = sum(entry.data_type == onnx.TensorProto.FLOAT16 for entry in graph.initializer)
    assert halved > 50
    file = OnnxSegmentor(path, show_progress=False)
    for predict in (file.predict, torchscript_predictor(export_torchscript(segmentor, tmp_path / 'model.pt'))):
        row, = image_parity(inferencer, predict, [(61, 83)])
        assert row['agreement'] > 0.99 and 0 < row['difference']['msp'] < 0.02, row
        assert len(np.unique(predict(street(61, 83)).uncertainty['msp'])) > 4000


@pytest.mark.parametrize('base', [None, DEEPLAB], ids=['SegFormer', 'DeepLabV3+'])
def test_quantized_models_score_in_float(base, tmp_path):
    model = posthoc(base, set_head=SET_HEAD)
    fill(model)
    path = export_onnx(ExportedSegmentor(model, ['msp', 'energy']), tmp_path / 'model.onnx')
    layers = base_layers(onnx.load(str(path)))
    assert len(layers) > 10 and not any('conv_seg' in name for name in layers)
    images = [street(64, 96, seed) for seed in range(4)]
    quantized = quantize_onnx(path, tmp_path / 'int8.onnx', images)
    graph = onnx.load(str(quantized)).graph
    assert sum(node.op_type == 'QuantizeLinear' for node in graph.node) > 10
    assert sum(entry.data_type == onnx.TensorProto.INT8 and len(entry.dims) > 1 for entry in graph.initializer) == len(layers)
    exact, file = OnnxSegmentor(path, show_progress=False), OnnxSegmentor(quantized, show_progress=False)
    rows = changes(exact.predict, file.predict, images)
    assert all(row['agreement'] > 0.9 and row['difference']['msp'] > 0 for row in rows), rows
    assert set(rows[0]['difference']) == {'msp', 'energy', 'set_membership'}
    assert len(np.unique(file.predict(images[0]).uncertainty['msp'])) > 4000
    assert file.predictor.outputs == exact.predictor.outputs


def test_windows_are_not_quantized(tmp_path):
    model = posthoc(dict(test_cfg=dict(mode='slide', crop_size=(32, 48), stride=(24, 32))))
    path = export_onnx(ExportedSegmentor(model, ['msp']), tmp_path / 'model.onnx')
    with pytest.raises(ValueError, match='slides windows.*loop'):
        quantize_onnx(path, tmp_path / 'int8.onnx', [street(64, 96)])
    assert not (tmp_path / 'int8.onnx').exists()


def test_images_are_needed(tmp_path):
    path = export_onnx(ExportedSegmentor(posthoc(), ['msp']), tmp_path / 'model.onnx')
    with pytest.raises(ValueError, match='there is none'):
        quantize_onnx(path, tmp_path / 'int8.onnx', [])


def test_numbers_beyond_float16_are_refused(tmp_path):
    segmentor = ExportedSegmentor(posthoc(), ['msp'], half=True)
    segmentor.model.base.network.decode_head.fusion_conv.conv.weight.fill_(6e4)
    rows = graph_parity(segmentor, onnx_runner(export_onnx(segmentor, tmp_path / 'model.onnx')), [(64, 96)], [1])
    with pytest.raises(ValueError, match='model.onnx was not written: activations .* exceed the range of float16'):
        check_half(SimpleNamespace(out='model.onnx'), rows)
