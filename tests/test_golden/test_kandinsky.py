"""Parity with the published Kandinsky calibration, whatever the size and seed of the golden files."""
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from mmseg_uncertainty.functional.annuli import published_objective, published_ring_map
from mmseg_uncertainty.functional.coverage_error import published_marginal_error, published_pixel_error
from mmseg_uncertainty.functional.nonconformity_curves import (PUBLISHED_LEVELS, group_curves, nonconformity_scores,
                                                               pixel_curves, published_curve_index)
from mmseg_uncertainty.models.set_heads import KandinskyHead, released_curves
from mmseg_uncertainty.structures import FrozenOutputs

REPOSITORY = Path(__file__).parents[2]
GOLDEN = Path(os.environ.get('GOLDEN_ROOT', REPOSITORY / '../shared/golden')) / 'kandinsky'

pytestmark = pytest.mark.skipif(not GOLDEN.is_dir(), reason=f'no golden files in {GOLDEN}; set GOLDEN_ROOT')


def load(name):
    return dict(np.load(GOLDEN / f'{name}.npz', allow_pickle=False))


@pytest.fixture(scope='module')
def golden():
    return {**load('inputs'), **load('curves')}


@pytest.fixture(scope='module')
def curves(golden):
    """Our published-mode curves of each mode at every pixel, shape (100, 2, H, W)."""
    scores = nonconformity_scores(golden['cal_prob'], golden['cal_target'], half_precision=True)
    groups, whole = golden['cluster_map'].astype(int), np.zeros(scores.shape[2:], dtype=int)
    pixel = pixel_curves(scores)
    clustered = pixel.copy()
    clustered[:, 1] = group_curves(scores, groups)[:, 1][:, groups]
    image = np.broadcast_to(group_curves(scores, whole), (*pixel.shape[:2], 1))[..., None]
    return dict(pixel=pixel, image=np.broadcast_to(image, pixel.shape), kmeans=clustered)


def test_curves_are_equal(golden, curves):
    np.testing.assert_allclose(PUBLISHED_LEVELS, golden['levels'], atol=1e-12)
    np.testing.assert_allclose(curves['pixel'], golden['pixel'], atol=1e-5)
    np.testing.assert_allclose(curves['image'][..., 0, 0], golden['image'], atol=1e-6)
    expected = golden['kmeans_class1'][:, golden['cluster_map']]
    np.testing.assert_allclose(curves['kmeans'][:, 1], expected, atol=1e-6)


def test_features_are_four_points_of_the_curve(golden, curves):
    features = curves['pixel'][golden['feature_indices'], int(golden['feature_class'])]
    np.testing.assert_allclose(np.moveaxis(features, 0, -1), load('annuli')['features'], atol=1e-5)


@pytest.mark.parametrize('mode', ['pixel', 'image', 'kmeans'])
def test_sets_are_equal(golden, curves, mode):
    membership = load('membership')
    scores = 1 - golden['test_prob']
    for row, alpha in enumerate(membership['alphas']):
        index = published_curve_index(float(alpha))
        assert index == membership['curve_index'][row]
        inside = scores <= curves[mode][index]
        bits = inside[:, 0] + 2 * inside[:, 1]
        differing = np.bitwise_xor(bits.astype(np.uint8), membership[mode][row])
        assert np.unpackbits(differing).sum() <= membership[f'{mode}_borderline'][row]


def fit_published_head(golden, mode, alpha):
    """The head of a model with one sigmoid per class, fitted batch by batch."""
    head = KandinskyHead(2, alpha, mode, variant='published', activation='sigmoid',
                         num_groups=len(np.unique(golden['cluster_map'])), foreground=int(golden['feature_class']))
    logits = torch.from_numpy(golden['cal_prob']).double().logit()
    labels = torch.from_numpy(golden['cal_target'].argmax(1).astype(np.int64))
    labels[torch.from_numpy(golden['cal_target'].sum(1) == 0)] = 255
    head.start_stage(0)
    for start in range(0, len(labels), 16):
        part = slice(start, start + 16)
        metas = [dict(img_path=f'{index}.png') for index in range(len(labels))[part]]
        head.update(FrozenOutputs(logits[part], logits[part], None), labels[part], metas)
    head.finish_stage(0)
    return head


@pytest.mark.parametrize('mode', ['pixel', 'image', 'kmeans'])
def test_the_published_head_has_the_curves_and_sets(golden, curves, mode, monkeypatch):
    monkeypatch.setattr(released_curves, 'kmeans_map', lambda *_: golden['cluster_map'].astype(int))
    membership = load('membership')
    for row, alpha in enumerate(membership['alphas']):
        head = fit_published_head(golden, mode, float(alpha))
        expected = curves[mode][membership['curve_index'][row]]
        np.testing.assert_allclose(np.broadcast_to(head.released.thresholds, expected.shape), expected, atol=1e-5)
        if mode == 'image':
            np.testing.assert_allclose(head.released.curves, golden['image'], atol=1e-6)
        if mode == 'kmeans':
            np.testing.assert_allclose(head.released.curves, golden['kmeans_class1'], atol=1e-6)
        inside = head(torch.from_numpy(golden['test_prob'])).numpy()
        differing = np.bitwise_xor((inside[:, 0] + 2 * inside[:, 1]).astype(np.uint8), membership[mode][row])
        assert np.unpackbits(differing).sum() <= membership[f'{mode}_borderline'][row]


@pytest.mark.parametrize('mode', ['pixel', 'image', 'kmeans'])
def test_coverage_errors_are_equal(golden, curves, mode):
    expected = load('metrics')
    scores = nonconformity_scores(golden['test_prob'], golden['test_target'])[:, 1]
    coverage, error = published_marginal_error(scores, curves[mode][:, 1])
    np.testing.assert_allclose(coverage, expected[f'{mode}_marginal_coverage'], atol=1e-6)
    assert error == pytest.approx(float(expected[f'{mode}_marginal_ce20']), abs=1e-6)
    pixel_coverage, pixel_error = published_pixel_error(scores, curves[mode][:, 1])
    np.testing.assert_allclose(pixel_error, expected[f'{mode}_pixel_ce20'], atol=1e-6)
    prefix = f'{mode}_pixel_coverage_at_'
    key = next(key for key in expected if key.startswith(prefix))
    row, column = map(int, key.removeprefix(prefix).split('_'))
    np.testing.assert_allclose(pixel_coverage[:, row, column], expected[key], atol=1e-6)


def test_pixels_without_scores_have_no_curve():
    arrays = load('rare_class')
    scores = nonconformity_scores(arrays['cal_prob'], arrays['cal_target'])
    assert np.isnan(arrays['pixel']).any()
    np.testing.assert_allclose(pixel_curves(scores), arrays['pixel'], atol=1e-5)
    pooled = group_curves(scores, np.zeros(scores.shape[2:], dtype=int))[..., 0]
    np.testing.assert_allclose(pooled, arrays['image'], atol=1e-6)


@pytest.mark.parametrize('half_precision, tolerance', [(True, 1e-5), (False, 6e-4)])
def test_half_precision_is_an_option(half_precision, tolerance):
    arrays = load('half_precision')
    scores = nonconformity_scores(arrays['cal_prob'], arrays['cal_target'], half_precision)
    np.testing.assert_allclose(pixel_curves(scores), arrays['pixel'], atol=tolerance)
    pooled = group_curves(scores, np.zeros(scores.shape[2:], dtype=int))[..., 0]
    np.testing.assert_allclose(pooled, arrays['image'], atol=tolerance)


def test_ring_objectives_are_equal():
    arrays = load('annuli')
    for row, theta in enumerate(arrays['theta'].astype(np.float64)):
        objective, counts = published_objective(arrays['features'], theta)
        np.testing.assert_array_equal(counts, arrays['ring_pixel_counts'][row])
        assert objective == pytest.approx(arrays['objective_exact'][row], rel=1e-5)
        np.testing.assert_array_equal(published_ring_map(arrays['features'].shape[:2], theta), arrays['ring_map'][row])
