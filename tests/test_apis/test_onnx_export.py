"""An exported model computes the same at sizes and batches it was not traced with."""
import json

import pytest
import torch

from mmseg_uncertainty.apis.export_parity import graph_parity, is_equal
from mmseg_uncertainty.apis.exported_segmentor import ExportedSegmentor
from mmseg_uncertainty.apis.onnx_export import export_onnx, onnx_runner
from tests.test_apis.export_models import DEEPLAB, SET_HEAD, posthoc

onnx = pytest.importorskip('onnx', reason='onnx is not installed; pip install "mmseg_uncertainty[onnx]"')
onnxruntime = pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')


@pytest.mark.parametrize('base', [None, DEEPLAB], ids=['SegFormer', 'DeepLabV3+'])
def test_labels_maps_and_sets_agree(base, tmp_path):
    segmentor = ExportedSegmentor(posthoc(base, set_head=SET_HEAD), probabilities=True)
    path = export_onnx(segmentor, tmp_path / 'deep/model.onnx')
    rows = graph_parity(segmentor, onnx_runner(path), sizes=[(64, 96), (37, 53), (48, 80)], batches=(1, 4))
    assert len(rows) == 6 and is_equal(rows), rows
    assert set(rows[0]['difference']) >= {'logits', 'uncertainty_fedc', 'uncertainty_energy', 'probabilities',
                                           'set_membership'}


CALIBRATORS = dict(
    global_temperature=dict(type='TemperatureScaling'),
    classwise=dict(type='TemperatureScaling', classwise=True),
    vector=dict(type='VectorScaling'),
    clusters=dict(type='ClusteredTemperatureScaling', num_clusters=3),
    soft_clusters=dict(type='ClusteredTemperatureScaling', num_clusters=3, assignment='soft'),
    local=dict(type='LocalTemperatureScaling'))


@pytest.mark.parametrize('name', CALIBRATORS)
def test_calibrators_are_inside(name, tmp_path):
    model = posthoc(calibrator=CALIBRATORS[name], set_head=SET_HEAD)
    generator = torch.Generator().manual_seed(2)
    for key, value in [*model.calibrator.named_buffers(), *model.calibrator.named_parameters()]:
        if value.is_floating_point() and key not in ('mean', 'std'):
            value.data.copy_(torch.rand(value.shape, generator=generator, dtype=torch.float64) + 0.5)
    model.calibrator.fitted.fill_(True)
    pixels = torch.randint(0, 256, (3, 64, 96), dtype=torch.uint8, generator=generator)
    with torch.no_grad():
        sample, = model.test_step(dict(inputs=[pixels], data_samples=[sample_of(64, 96)]))
        segmentor = ExportedSegmentor(model, ['msp'], preprocess=True, probabilities=True)
        outputs = dict(zip(segmentor.output_names, segmentor(pixels.flip(0).movedim(0, -1)[None])))
    torch.testing.assert_close(outputs['labels'], sample.pred_sem_seg.data)
    torch.testing.assert_close(outputs['probabilities'][0], sample.calibrated_logits.data.softmax(dim=0))
    assert torch.equal(outputs['set_membership'][0], sample.prediction_set.membership)
    path = export_onnx(segmentor, tmp_path / 'model.onnx')
    rows = graph_parity(segmentor, onnx_runner(path), sizes=[(37, 53), (64, 80)], batches=(1, 2))
    assert is_equal(rows), rows


def test_raw_images_and_a_choice_of_heads(tmp_path):
    segmentor = ExportedSegmentor(posthoc(), ['msp'], preprocess=True)
    path = export_onnx(segmentor, tmp_path / 'model.onnx')
    assert is_equal(graph_parity(segmentor, onnx_runner(path), sizes=[(40, 72)], batches=[2]))
    session = onnxruntime.InferenceSession(str(path))
    meta = session.get_modelmeta().custom_metadata_map
    assert [output.name for output in session.get_outputs()] == ['labels', 'logits', 'uncertainty_msp']
    assert 'uint8 RGB' in meta['images']
    assert json.loads(meta['tensors']) == dict(
        images=dict(type='uint8', shape=['batch', 'height', 'width', 3]),
        labels=dict(type='int64', shape=['batch', 'height', 'width']),
        logits=dict(type='float32', shape=['batch', 5, 'height', 'width']),
        uncertainty_msp=dict(type='float32', shape=['batch', 'height', 'width']))
    assert [json.loads(meta[key]) for key in ('opset', 'resizing', 'windows', 'whole_image')] == [17, [], {}, []]
    assert json.loads(meta['units']) == {'msp': 'probability; higher is more uncertain'}


def test_outputs_are_those_of_the_model():
    model = posthoc(set_head=SET_HEAD)
    pixels = torch.randint(0, 256, (3, 64, 96), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        sample, = model.test_step(dict(inputs=[pixels], data_samples=[sample_of(64, 96)]))
        segmentor = ExportedSegmentor(model, preprocess=True)
        outputs = dict(zip(segmentor.output_names, segmentor(pixels.flip(0).movedim(0, -1)[None])))
    torch.testing.assert_close(outputs['labels'], sample.pred_sem_seg.data)
    torch.testing.assert_close(outputs['logits'][0], sample.seg_logits.data)
    torch.testing.assert_close(outputs['uncertainty_fedc'], sample.uncertainty.fedc)
    assert torch.equal(outputs['set_membership'][0], sample.prediction_set.membership)


def sample_of(height, width):
    from mmseg.structures import SegDataSample
    size = (height, width)
    return SegDataSample(metainfo=dict(ori_shape=size, img_shape=size, pad_shape=size, scale_factor=(1, 1)))


@pytest.mark.parametrize('options, heads, message', [
    (dict(), ['nothing'], 'nothing'),
    (dict(calibrator=dict(type='TemperatureScaling')), None, 'TemperatureScaling is not fitted')])
def test_what_cannot_be_exported_is_named(options, heads, message):
    with pytest.raises(ValueError, match=message):
        ExportedSegmentor(posthoc(**options), heads)


def test_layers_that_onnx_lacks_are_named_and_nothing_is_written(tmp_path, capfd):
    segmentor = ExportedSegmentor(posthoc(), ['msp'])
    decode_head = segmentor.model.base.network.decode_head
    decode_head.fusion_conv = torch.nn.Sequential(decode_head.fusion_conv, torch.nn.AdaptiveMaxPool2d((3, 5)))
    with pytest.raises(ValueError, match=r'adaptive_max_pool2d.*fusion_conv') as raised:
        export_onnx(segmentor, tmp_path / 'model.onnx')
    assert len(str(raised.value)) < 500 and not list(tmp_path.iterdir())
    assert 'aten::' not in capfd.readouterr().out
