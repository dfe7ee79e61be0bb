"""Several passes in one graph: test-time views and ensembles."""
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from mmseg_uncertainty.apis.export_parity import graph_parity, image_parity, is_equal, predicts_the_same, street
from mmseg_uncertainty.apis.onnx_export import export_onnx, onnx_runner
from mmseg_uncertainty.apis.torch_export import export_torchscript, torchscript_predictor
from mmseg_uncertainty.runtime.onnx_segmentor import OnnxSegmentor
from tests.test_apis.export_models import HEADS, SET_HEAD, as_it_is_and_exported, balance, save_weights
from tests.tiny import tiny_posthoc

pytest.importorskip('onnx', reason='onnx is not installed; pip install "mmseg_uncertainty[onnx]"')
pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')
DECISIONS = dict(flagged=dict(type='FlagThreshold', head='msp'))
SLIDE = dict(mode='slide', crop_size=(32, 48), stride=(24, 32))
RESIZE = dict(type='Resize', scale=(96, 64), keep_ratio=True)
ONE_SIGMOID = dict(num_classes=2, out_channels=1, threshold=0.45, loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=True))


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmseg')


def model_of(heads, decode_head=None, **options):
    model = tiny_posthoc(heads, **options)
    model['data_preprocessor']['test_cfg'] = dict(size_divisor=32)
    model['decode_head'].update(decode_head or {})
    return model


def temperature(model):
    balance(model)
    if model.calibrator is not None:
        model.set_head.thresholds.fill_(0.2)
        model.decisions.flagged.threshold.fill_(0.3)
        model.calibrator.temperature.fill_(1.7)
        model.calibrator.fitted.fill_(True)


VIEWS = dict(
    flips_and_scales=(model_of(dict(energy=HEADS['energy'], msp=HEADS['msp']), tta=dict(scales=(0.75, )), set_head=SET_HEAD,
                               calibrator=dict(type='TemperatureScaling'), decisions=DECISIONS), (RESIZE, )),
    windows_of_one_sigmoid=(
        model_of(dict(msp=HEADS['msp']), ONE_SIGMOID, tta=dict(scales=(1.1, 0.5), flip=False), test_cfg=SLIDE), ()))


@pytest.mark.parametrize('name', VIEWS)
def test_views_are_averaged_as_by_the_model(name, tmp_path):
    model, steps = VIEWS[name]
    inferencer, segmentor = as_it_is_and_exported(model, tmp_path, *steps, fit=temperature, probabilities=True)
    path = export_onnx(segmentor, tmp_path / 'model.onnx')
    graphs = graph_parity(segmentor, onnx_runner(path), [(75, 110)], (2, ))
    assert is_equal(graphs), graphs
    file = OnnxSegmentor(path, show_progress=False)
    rows = image_parity(inferencer, file.predict, [(75, 110)])
    assert predicts_the_same(rows, 1e-4), rows
    found = file.predict(street(75, 110))
    assert found.flags == {} and found.set_membership is None
    inferencer.model.tta = None
    assert not predicts_the_same(image_parity(inferencer, file.predict, [(75, 110)]), 1e-2)
    file.predictor.max_pixels = 100
    with pytest.raises(ValueError, match='TestTimeViews of the exported model reads the whole image'):
        file.predict(street(75, 110))


def test_members_have_weights_of_their_own(tmp_path):
    heads = dict(mi=dict(type='EnsembleHead'), entropy=dict(type='EnsembleHead', measure='entropy'), msp=HEADS['msp'])
    members = []
    for seed in (1, 2, 3):
        torch.manual_seed(seed)
        member = MODELS.build(Config(model_of({})))
        balance(member)
        members.append(str(save_weights(member, tmp_path / f'{seed}.pth')))
    model = dict(model_of(heads, set_head=SET_HEAD), type='EnsembleSegmentor', members=members[1:])
    inferencer, segmentor = as_it_is_and_exported(
        model, tmp_path, fit=lambda built: (balance(built), built.set_head.thresholds.fill_(0.2)))
    path = export_onnx(segmentor, tmp_path / 'model.onnx')
    assert is_equal(graph_parity(segmentor, onnx_runner(path), [(61, 83)], (2, )))
    script = torchscript_predictor(export_torchscript(segmentor, tmp_path / 'model.pt'))
    for predict in (OnnxSegmentor(path, show_progress=False).predict, script):
        rows = image_parity(inferencer, predict, [(61, 83)])
        assert predicts_the_same(rows, 1e-4), rows
        assert predict(street(61, 83)).uncertainty['mi'].max() > 0.01
