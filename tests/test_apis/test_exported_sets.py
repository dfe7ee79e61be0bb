"""Sets that depend on the whole image, in operators of a graph."""
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from mmseg_uncertainty.apis.export_parity import graph_parity, image_parity, is_equal, predicts_the_same, street
from mmseg_uncertainty.apis.exported_segmentor import ExportedSegmentor
from mmseg_uncertainty.apis.exported_sets import dilated, exported_thresholds
from mmseg_uncertainty.apis.onnx_export import export_onnx, onnx_runner
from mmseg_uncertainty.functional.conformal_losses import StepLoss
from mmseg_uncertainty.functional.dilation_margins import STRUCTURES, dilated_sets
from mmseg_uncertainty.functional.weighted_risk_control import WeightedRisk
from mmseg_uncertainty.runtime.onnx_segmentor import OnnxSegmentor
from tests.test_apis.export_models import as_it_is_and_exported, fit_on_streets
from tests.tiny import tiny_posthoc

pytest.importorskip('onnx', reason='onnx is not installed; pip install "mmseg_uncertainty[onnx]"')
pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')
RISK = dict(risks=[dict(alpha=0.12)])
SETS = dict(
    disk=dict(type='DilationSetHead', alpha=0.2), square=dict(type='DilationSetHead', structure='square', coverage=0.7),
    split=dict(type='AdaptiveRiskControlHead', method='split', embedding=['confidence', 'brightness', 'classes', 'features'],
               **RISK),
    weighted=dict(type='WeightedRiskControlHead', family=dict(kind='aps'), **RISK),
    crossed=dict(type='WeightedRiskControlHead', weights='crossed', embedding=['features'],
                 risks=[*RISK['risks'], dict(alpha=0.4, loss='binary', coverage=0.8)]))
RESIZE = dict(type='Resize', scale=(72, 40), keep_ratio=True)


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmseg')


def model_of(set_head):
    return tiny_posthoc(dict(msp=dict(type='MSPHead')), set_head=dict(set_head, num_classes=5))


@pytest.mark.parametrize('structure', STRUCTURES)
@pytest.mark.parametrize('steps', [[0, 1, 2, 9, np.inf], [25, 4, 5, 0, 3], [np.inf, np.inf, 0, 0, 0], [400, 8, 1, 2, 50]])
def test_dilations_are_those_of_distances(structure, steps):
    predicted = torch.randint(0, 4, (2, 6, 8), generator=torch.Generator().manual_seed(0))
    predicted = predicted.repeat_interleave(5, dim=1).repeat_interleave(4, dim=2)
    expected = dilated_sets(predicted.numpy(), steps, structure)
    assert torch.equal(dilated(predicted, steps, structure), torch.from_numpy(expected)) and not expected.all()


def test_thresholds_follow_the_weight_of_an_image():
    generator = np.random.default_rng(0)
    conformity = np.sort(generator.integers(0, 30, 200) / 30)
    loss = StepLoss(generator.integers(0, 20, 200), conformity, np.full(200, 0.1), np.ones(20, bool))
    risk, weights = WeightedRisk.of(loss, generator.random(20), 0.3), np.linspace(0, 8, 500)
    found = exported_thresholds(risk)(torch.from_numpy(weights)).numpy()
    np.testing.assert_array_equal(found, risk.thresholds(weights))
    assert len(np.unique(found)) > 5


@pytest.mark.parametrize('name, steps', [
    ('disk', ()), ('square', (RESIZE, )), ('split', (RESIZE, )), ('weighted', ()), ('crossed', (RESIZE, ))])
def test_sets_are_those_of_the_model(name, steps, tmp_path):
    model = model_of(SETS[name])
    inferencer, segmentor = as_it_is_and_exported(model, tmp_path, *steps, fit=fit_on_streets)
    path = export_onnx(segmentor, tmp_path / 'model.onnx')
    graphs = graph_parity(segmentor, onnx_runner(path), [(61, 83)], (3, ))
    assert is_equal(graphs), graphs
    file = OnnxSegmentor(path, show_progress=False, max_pixels=61 * 83)
    rows = image_parity(inferencer, file.predict, [(61, 83), (40, 50)])
    assert predicts_the_same(rows, 1e-4), rows
    assert file.predictor.whole_image == [SETS[name]['type']]
    assert 1 < file.predict(street(61, 83)).set_size.mean() < 5


def test_a_program_for_every_image_is_refused():
    model = MODELS.build(Config(model_of(dict(type='AdaptiveRiskControlHead'))))
    model.set_head.kept.put('fitted', np.ones((1, 4)))
    with pytest.raises(ValueError, match="method='imputed'.*linear program.*method='split'"):
        ExportedSegmentor(model)
