"""Outputs, sets, calibrators and networks of every kind in one graph."""
import copy

import pytest
import torch
from mmengine.registry import init_default_scope

from mmseg_uncertainty.apis.export_parity import graph_parity, image_parity, is_equal, predicts_the_same
from mmseg_uncertainty.apis.exported_segmentor import ExportedSegmentor
from mmseg_uncertainty.apis.onnx_export import export_onnx, onnx_runner
from mmseg_uncertainty.apis.traceable_layers import bisect, mean_of_bins
from mmseg_uncertainty.functional import feature_distances
from mmseg_uncertainty.models.calibrators import OrderPreservingScaling, SplineCalibration, VectorScaling
from mmseg_uncertainty.models.calibrators.spline_calibration import POINTS
from mmseg_uncertainty.runtime.onnx_segmentor import OnnxSegmentor
from tests.test_apis.export_models import DEEPLAB, HEADS, SET_HEAD, as_it_is_and_exported, config_of, posthoc
from tests.tiny import tiny_posthoc

SIZES = ((61, 83), (37, 49))
LIGHT = dict(msp=HEADS['msp'], entropy=dict(type='EntropyHead'))
FILTERED = dict(sml=dict(type='MaxLogitHead', filters=[dict(type='BoundarySuppression'), dict(type='GaussianSmoothing')]),
                mc=dict(type='MCDropoutHead', samples=4))
DETECTORS = dict(
    gen=dict(type='GENHead', top=3), kl=dict(type='KLMatchingHead'), scale=dict(type='SCALEHead', percentile=0.6),
    react=dict(type='ReActHead'), fdbd=dict(type='FDBDHead'), residual=dict(type='ResidualHead'), neco=dict(type='NECOHead'),
    pnml=dict(type='PNMLHead'), mahalanobis=dict(type='MahalanobisHead', normalize=True, relative=True),
    both=dict(type='SumOfScoresHead', heads=['gen', 'pnml'], reduction='max'))
STATISTICS = dict(means=[1.] * 5, variances=[2.] * 5)
TOKENS = 'backbone.layers.0.1.0.attn.attn:keys'
NEIGHBORS = dict(
    nearest=dict(type='NearestNeighborHead', per_class=8), mean=dict(type='NearestNeighborHead', per_class=8, average=True),
    tokens=dict(type='NearestNeighborHead', per_class=8, features_from=TOKENS, normalize=False))
SIGMOIDS = dict(loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=True))
POOLED = dict(in_channels=32, in_index=3, channels=8, pool_scales=(1, 2, 3, 6), num_classes=5, norm_cfg=dict(type='BN'),
              align_corners=False)


@pytest.fixture(autouse=True)
def scope():
    init_default_scope('mmseg')


def model_of(heads=LIGHT, decode_head=None, **options):
    model = tiny_posthoc(heads, **options)
    model['decode_head'].update(decode_head or {})
    return model


def pooling(kind, **options):
    return {**tiny_posthoc(LIGHT), **copy.deepcopy(DEEPLAB), 'decode_head': dict(type=kind, **{**POOLED, **options})}


def crc(kind, **options):
    return dict(SET_HEAD, family=dict(kind=kind, **options))


def fill(model):
    """Thresholds that differ by class and group, and a calibrator that moves predictions."""
    generator = torch.Generator().manual_seed(0)
    if model.set_head is not None:
        shape = model.set_head.thresholds.shape
        model.set_head.thresholds.copy_(torch.rand(shape, generator=generator, dtype=torch.float64) * 0.3)
        if hasattr(model.set_head, 'group_map'):
            model.set_head.group_map.copy_(torch.randint(0, 4, model.set_head.group_map.shape, generator=generator))
            model.set_head.odds.fill_(0.9)
    for head in model.uncertainty_heads.values():
        for name, values in head.named_buffers():
            if name == 'fitted':
                values.fill_(True)
            elif values.is_floating_point():
                values.copy_(torch.rand(values.shape, generator=generator) + 0.1)
    if isinstance(model.calibrator, VectorScaling):
        model.calibrator.offset.copy_(torch.tensor([0, 0.3, 0.6, 0, -1.]))
    if isinstance(model.calibrator, SplineCalibration):
        model.calibrator.given.copy_(torch.linspace(-1, 1, POINTS)**3)
        model.calibrator.calibrated.copy_(torch.linspace(-0.7, 0.4, POINTS))
        model.calibrator.changes.fill_(True)
    if isinstance(model.calibrator, OrderPreservingScaling):
        model.calibrator.weights.copy_(torch.rand(model.calibrator.weights.shape, generator=generator) + 0.5)
    if model.calibrator is not None:
        model.calibrator.fitted.fill_(True)


KINDS = dict(
    one_sigmoid=model_of(decode_head=dict(num_classes=2, out_channels=1, threshold=0.45, **SIGMOIDS)),
    sigmoids=model_of(decode_head=SIGMOIDS),
    aps=model_of(set_head=crc('aps')),
    raps=model_of(set_head=crc('raps', penalty=0.05, free_ranks=2)),
    kandinsky=model_of(set_head=dict(type='KandinskyHead', num_classes=5)),
    moved_predictions=model_of(calibrator=dict(type='VectorScaling', keep_argmax=False), set_head=SET_HEAD),
    psp=pooling('PSPHead'),
    uper=pooling('UPerHead', in_channels=[4, 8, 16, 32], in_index=[0, 1, 2, 3]),
    filters_and_dropout=model_of(FILTERED),
    detectors=model_of(DETECTORS),
    neighbors=model_of(NEIGHBORS),
    evidence=model_of(dict(
        nearest=NEIGHBORS['nearest'], gen=DETECTORS['gen'],
        fed=dict(type='FlowEneDetHead', evidence=['nearest', 'gen'], flow=dict(kernel_size=1), scale_factor=2),
        full=dict(type='FlowEneDetHead', resolution='output', flow=dict(kernel_size=1, blocks=2)))),
    published_flow=model_of(dict(fedu=dict(type='FlowEneDetHead', variant='published', class_statistics=STATISTICS))),
    spline=model_of(calibrator=dict(type='SplineCalibration')),
    weighed_gaps=model_of(calibrator=dict(type='OrderPreservingScaling', classwise=True)))


@pytest.mark.parametrize('kind', KINDS)
def test_kinds_are_predicted_as_by_the_model(kind, tmp_path, monkeypatch):
    # Several parts for the loop over cells.
    monkeypatch.setattr(feature_distances, 'CHUNK_ENTRIES', 2**12)
    pytest.importorskip('onnx')
    pytest.importorskip('onnxruntime')
    inferencer, segmentor = as_it_is_and_exported(KINDS[kind], tmp_path, fit=fill)
    path = export_onnx(segmentor, tmp_path / 'model.onnx')
    graphs = graph_parity(segmentor, onnx_runner(path), SIZES[:1], (2, ))
    assert is_equal(graphs), graphs
    file = OnnxSegmentor(path, show_progress=False)
    rows = image_parity(inferencer, file.predict, SIZES)
    assert predicts_the_same(rows, 1e-4) and all(row['agreement'] > 0.9995 for row in rows), rows


def test_one_sigmoid_predicts_both_classes(tmp_path):
    inferencer, segmentor = as_it_is_and_exported(KINDS['one_sigmoid'], tmp_path)
    with torch.no_grad():
        labels, scores, *_ = segmentor(*segmentor.example_inputs(1, 64, 96))
    middle = float(scores.sigmoid().median())
    segmentor.model.distribution.threshold = middle
    with torch.no_grad():
        labels, scores, *_ = segmentor(*segmentor.example_inputs(1, 64, 96))
    assert torch.equal(labels, (scores[:, 0].sigmoid() > middle).long()) and 0.3 < labels.double().mean() < 0.7


@pytest.mark.parametrize('size', [(7, 11), (6, 6), (3, 20), (2, 1)])
@pytest.mark.parametrize('bins', [1, 6, (3, 2), (None, 5)])
def test_means_of_bins_are_adaptive_pooling(size, bins):
    maps = torch.randn(2, 3, *size, dtype=torch.float64)
    torch.testing.assert_close(mean_of_bins(maps, bins), torch.nn.functional.adaptive_avg_pool2d(maps, bins))


@pytest.mark.parametrize('count', [1, 2, 7, 8, 513])
@pytest.mark.parametrize('right', [False, True])
def test_halving_finds_what_searchsorted_finds(count, right):
    points = torch.randint(0, 20, (count, )).double().sort().values
    values = torch.cat([torch.linspace(-1, 21, 89, dtype=torch.float64), points]).view(-1, 1)
    assert torch.equal(bisect(points, values, right), torch.searchsorted(points, values, right=right))


@pytest.mark.parametrize('step, name', [
    (dict(type='Pad', size_divisor=32), 'Pad'), (dict(type='Resize', scale=(64, 64), backend='turbo'), 'turbo')])
def test_steps_that_a_file_cannot_repeat_are_named(step, name):
    model = posthoc()
    model.cfg = config_of(model_of(), step)
    with pytest.raises(ValueError, match=name):
        ExportedSegmentor(model)


def test_sets_that_a_graph_cannot_hold_are_named():
    model = posthoc(set_head=dict(type='KandinskyHead', num_classes=5, variant='published'))
    model.set_head.released.thresholds = torch.zeros(5, 64, 96)
    with pytest.raises(ValueError, match='images of one size'):
        ExportedSegmentor(model)
