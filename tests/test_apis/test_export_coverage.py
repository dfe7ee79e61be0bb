"""Everything that is registered is exported, or refused for a reason that the documentation gives."""
import re
from pathlib import Path

import pytest
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS

from mmseg_uncertainty.apis.export_parity import graph_parity, image_parity, is_equal, magnification, predicts_the_same
from mmseg_uncertainty.apis.onnx_export import export_onnx, onnx_runner
from mmseg_uncertainty.apis.torch_export import export_torchscript, torchscript_predictor, torchscript_runner
from mmseg_uncertainty.models.calibrators import Calibrator
from mmseg_uncertainty.models.decode_heads import ScoreHead
from mmseg_uncertainty.models.segmentors import PosthocSegmentor
from mmseg_uncertainty.models.set_heads import SetHead
from mmseg_uncertainty.runtime.onnx_segmentor import OnnxSegmentor
from tests.test_apis.export_models import HEADS as FLOWS
from tests.test_apis.export_models import as_it_is_and_exported, fit_on_streets
from tests.tiny import tiny_posthoc

pytest.importorskip('onnx', reason='onnx is not installed; pip install "mmseg_uncertainty[onnx]"')
pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')
PAGE = Path(__file__).parents[2] / 'docs/prediction.md'
KINDS = (ScoreHead, Calibrator, SetHead, PosthocSegmentor)
# Heads that read what the small model lacks: masks of queries, members.
ELSEWHERE = ('RbAHead', 'MaskomalyHead', 'EnsembleHead')
SMOOTHED = [dict(type='BoundarySuppression'), dict(type='GaussianSmoothing')]
HEADS = dict(
    fedc=FLOWS['fedc'], msp=dict(type='MSPHead'), max_logit=dict(type='MaxLogitHead', filters=SMOOTHED),
    energy=dict(type='EnergyHead', resolution='native'), entropy=dict(type='EntropyHead'), margin=dict(type='MarginHead'),
    gen=dict(type='GENHead', top=3), kl=dict(type='KLMatchingHead'), sml=dict(type='StandardizedMaxLogitHead'),
    deviation=dict(type='SoftmaxDeviationHead'), mcd=dict(type='MCDropoutHead', samples=4, measure='mutual_information'),
    mahalanobis=dict(type='MahalanobisHead', relative=True), vim=dict(type='ViMHead'),
    knn=dict(type='NearestNeighborHead', per_class=16, features_from='backbone.layers.0.1.0.attn.attn:keys'),
    react=dict(type='ReActHead'), scale=dict(type='SCALEHead'), fdbd=dict(type='FDBDHead'), residual=dict(type='ResidualHead'),
    neco=dict(type='NECOHead'), pnml=dict(type='PNMLHead'),
    sum=dict(type='SumOfScoresHead', heads=['knn', 'energy']),
    largest=dict(type='SumOfScoresHead', heads=['gen', 'pnml'], reduction='max'))
DECISIONS = dict(flagged=dict(type='FlagThreshold', head='msp', alpha=0.1),
                 native=dict(type='FlagThreshold', head='pnml', promise='misses', alpha=0.2))
RESIZE = dict(type='Resize', scale_factor=1.3, keep_ratio=True)
SLIDE = dict(mode='slide', crop_size=(64, 96), stride=(48, 64))


def registered():
    """Names of the parts of models that this package registers."""
    init_default_scope('mmseg')
    return {name for name, kind in MODELS.module_dict.items()
            if kind.__module__.startswith('mmseg_uncertainty') and issubclass(kind, KINDS)}


def test_every_part_stands_in_the_table():
    text = PAGE.read_text(encoding='utf-8')
    table = text[text.index('### What files hold'):text.index('### Fewer bits')]
    assert registered() == set(re.findall('`([A-Z][A-Za-z]+)', table)) & registered()


def test_every_head_is_tried_here_or_elsewhere():
    heads = {name for name in registered() if issubclass(MODELS.get(name), ScoreHead)}
    assert heads == {head['type'] for head in HEADS.values()} | set(ELSEWHERE)


@pytest.mark.slow
@pytest.mark.parametrize('windows, steps, suffix', [(None, (), '.onnx'), (SLIDE, (RESIZE, ), '.pt')], ids=['padded', 'resized'])
def test_all_heads_in_one_file(windows, steps, suffix, tmp_path):
    init_default_scope('mmseg')
    model = tiny_posthoc(HEADS, decisions=DECISIONS, calibrator=dict(type='TemperatureScaling'),
                         set_head=dict(type='ConformalRiskControlHead', num_classes=5, risks=[dict(alpha=0.3)]))
    model['data_preprocessor']['test_cfg'] = dict(size_divisor=32)
    model.update(test_cfg=windows) if windows else None
    inferencer, segmentor = as_it_is_and_exported(model, tmp_path, *steps, fit=lambda built: fit_on_streets(built, 8))
    path = tmp_path / f'model{suffix}'
    if suffix == '.onnx':
        predict = OnnxSegmentor(export_onnx(segmentor, path), show_progress=False).predict
    else:
        predict = torchscript_predictor(export_torchscript(segmentor, path))
    assert is_equal(graph_parity(segmentor, onnx_runner(path) if suffix == '.onnx' else torchscript_runner(path), [(61, 83)], (2, )))
    rows = image_parity(inferencer, predict, [(75, 110)])
    assert predicts_the_same(rows), rows
    assert len(rows[0]['difference']) == len(HEADS) + len(DECISIONS) + 1


def test_sums_may_magnify_rounding():
    init_default_scope('mmseg')
    head = MODELS.build(dict(type='SumOfScoresHead', num_classes=5, heads=['a', 'b']))
    head.deviations[:] = head.deviations.new_tensor([0.1, 0.5])
    assert magnification(head) == pytest.approx(12) and magnification(MODELS.build(dict(type='MSPHead'))) == 1
