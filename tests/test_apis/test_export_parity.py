"""A file predicts images as the model does, through padding, windows and resizing."""
import copy

import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope

from mmseg_uncertainty.apis.export_parity import graph_parity, image_parity, is_equal, predicts_the_same, street
from mmseg_uncertainty.apis.onnx_export import export_onnx, onnx_runner
from mmseg_uncertainty.apis.torch_export import export_torchscript, torchscript_predictor, torchscript_runner
from mmseg_uncertainty.runtime.onnx_segmentor import OnnxSegmentor
from tests.test_apis.export_models import DEEPLAB, HEADS, SET_HEAD, as_it_is_and_exported
from tests.tiny import tiny_posthoc

pytest.importorskip('onnx', reason='onnx is not installed; pip install "mmseg_uncertainty[onnx]"')
pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')
SIZES = ((61, 83), (20, 45))
SLIDE = dict(mode='slide', crop_size=(32, 48), stride=(24, 32))
CLUSTERS = dict(type='ClusteredTemperatureScaling', num_clusters=3)


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmseg')


LIGHT = dict(msp=HEADS['msp'], energy=HEADS['energy'])


def model_of(divisor=None, size=None, heads=LIGHT, **options):
    model = tiny_posthoc(heads, set_head=SET_HEAD)
    model['data_preprocessor'] = dict(model['data_preprocessor'], size_divisor=divisor, size=size, pad_val=3)
    if divisor or size:
        model['data_preprocessor']['test_cfg'] = dict(size=size) if size else dict(size_divisor=divisor)
    return dict(model, **options)


def thresholds(model):
    model.set_head.thresholds.fill_(0.21)
    generator = torch.Generator().manual_seed(2)
    if model.calibrator is not None:
        for key, value in model.calibrator.named_buffers():
            if value.is_floating_point() and key not in ('mean', 'std'):
                value.copy_(torch.rand(value.shape, generator=generator, dtype=torch.float64) + 0.5)
        model.calibrator.fitted.fill_(True)


RESIZE = dict(type='Resize', scale=(72, 40), keep_ratio=True)
CASES = dict(
    small_images_shortest_edge=(model_of(), (dict(type='ResizeShortestEdge', scale=24, max_size=90), )),
    multiple_of_32=(model_of(divisor=32, heads=HEADS), ()),
    at_least_a_size=(model_of(size=(72, 80)), (dict(type='Resize', scale=(70, 50)), )),
    padded_windows_resized=(model_of(divisor=32, test_cfg=SLIDE, heads=dict(fedc=HEADS['fedc_outliers'])),
                            (dict(type='Resize', scale_factor=1.3, keep_ratio=True), )),
    local_temperature=(model_of(divisor=32, calibrator=dict(type='LocalTemperatureScaling')), (RESIZE, )),
    clusters_over_windows=(model_of(divisor=32, calibrator=CLUSTERS, test_cfg=SLIDE), ()),
    corners_aligned=(model_of(divisor=32, **copy.deepcopy(DEEPLAB)), (dict(type='ResizeToMultiple', size_divisor=28), )))
CASES['corners_aligned'][0]['decode_head']['align_corners'] = True


@pytest.mark.parametrize('name', CASES)
def test_images_are_predicted_as_by_the_model(name, tmp_path):
    model, steps = CASES[name]
    inferencer, segmentor = as_it_is_and_exported(model, tmp_path, *steps, fit=thresholds)
    path = export_onnx(segmentor, tmp_path / 'model.onnx')
    graphs = graph_parity(segmentor, onnx_runner(path), SIZES[:1], (2, ))
    assert is_equal(graphs), graphs
    rows = image_parity(inferencer, OnnxSegmentor(path, show_progress=False).predict, SIZES)
    assert predicts_the_same(rows, 1e-4) and all(row['agreement'] > 0.9995 for row in rows), rows


@pytest.mark.parametrize('name', ['multiple_of_32', 'padded_windows_resized'])
def test_torchscript_predicts_images_as_the_model(name, tmp_path):
    model, steps = CASES[name]
    inferencer, segmentor = as_it_is_and_exported(model, tmp_path, *steps, fit=thresholds, preprocess=True)
    path = export_torchscript(segmentor, tmp_path / 'model.pt')
    graphs = graph_parity(segmentor, torchscript_runner(path), SIZES[:1], (2, ))
    assert is_equal(graphs), graphs
    rows = image_parity(inferencer, torchscript_predictor(path), SIZES)
    assert predicts_the_same(rows, 1e-4) and all(row['agreement'] > 0.9995 for row in rows), rows


def test_a_file_that_predicts_something_else_is_found(tmp_path):
    inferencer, segmentor = as_it_is_and_exported(model_of(divisor=32), tmp_path, fit=thresholds)
    path = export_onnx(segmentor, tmp_path / 'model.onnx')
    file = OnnxSegmentor(path, show_progress=False)
    rows = image_parity(inferencer, lambda image: file.predict(np.roll(image, 1, axis=0)), SIZES[:1])
    assert not predicts_the_same(rows)
    assert rows[0]['gap'] > 0 and rows[0]['agreement'] < 1


def test_streets_have_flat_parts_and_edges():
    image = street(40, 60)
    assert image.shape == (40, 60, 3) and image.dtype == np.uint8
    assert not np.array_equal(image, street(40, 60, seed=1)) and image.std() > 20
