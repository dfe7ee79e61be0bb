"""The study of detectors: flows see in a table what heads see in a model, and its numbers are those of the textbooks."""
import copy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from sklearn.metrics import average_precision_score, roc_curve
from torch.testing import assert_close

from tests.test_models.test_decode_heads.test_flow_evidence import fit_evidence
from tests.test_models.test_decode_heads.test_sum_of_scores_head import batch
from tests.tiny import tiny_posthoc

sys.path.append(str(Path(__file__).resolve().parents[2] / 'tools'))
from study.pixel_table import fit_flow, pixel_table, variables  # noqa: E402
from study.scored_images import ScoredImage  # noqa: E402
from study.tables import cells_of, critical_difference, mean_ranks, without_seed  # noqa: E402

EVIDENCE = ['knn', 'gen']
FLOW = dict(type='FlowEneDetHead', conditional=True, condition_channels=16, evidence=EVIDENCE, training_pixels=64,
            flow=dict(kernel_size=1, hidden_channels=8, blocks=2))
HEADS = dict(knn=dict(type='NearestNeighborHead', per_class=20), gen=dict(type='GENHead'), fed=FLOW,
             relative={**FLOW, 'standardize_features': True, 'class_condition': False})


@pytest.fixture
def table(monkeypatch, tmp_path):
    """A model and pixels of two of its images."""
    init_default_scope('mmseg')
    torch.manual_seed(0)
    model = fit_evidence(MODELS.build(Config(tiny_posthoc(copy.deepcopy(HEADS)))).eval())
    parts = [batch(seed, 1) for seed in (7, 8)]
    monkeypatch.setattr('study.pixel_table.EVIDENCE', EVIDENCE)
    monkeypatch.setattr('study.pixel_table.PIXELS', dict(mistakes=64))
    monkeypatch.setattr('study.pixel_table.EVERY', dict(mistakes=1))
    monkeypatch.setattr('study.pixel_table.images_of', lambda *_: parts)
    monkeypatch.setattr('study.pixel_table.DATASETS', type('', (), dict(build=staticmethod(lambda _: parts))))
    path = tmp_path / 'table.npz'
    rows = pixel_table(model, None, 'mistakes', path, 'tiny')
    read = pixel_table(model, None, 'mistakes', path, 'tiny')
    assert all(torch.equal(values, read[name]) for name, values in rows.items())
    return model, parts, rows


@pytest.mark.parametrize('name', ['fed', 'relative'])
def test_a_flow_sees_in_the_table_what_its_head_sees(table, name):
    model, parts, rows = table
    head, seen = model.uncertainty_heads[name].train(), []
    head.flow.register_forward_pre_hook(lambda _, arguments: seen.append(arguments))
    for index, (inputs, samples) in enumerate(parts):
        labels = torch.cat([sample.gt_sem_seg.data for sample in samples]).long()
        # The draw of this image, whatever dropout has drawn.
        torch.manual_seed(0)
        for _ in range(index):
            torch.randint(labels.numel(), (1, 64))
        with torch.no_grad():
            head.loss(model.frozen_outputs(inputs, samples), labels)
    # Evidence at a pixel is that of the resized map, which a model pads a little more roughly than a table.
    z, condition = variables(head, rows)
    assert_close(z[:, :4], torch.cat([arguments[0] for arguments in seen], dim=2)[:, :4])
    assert_close(condition, torch.cat([arguments[1] for arguments in seen], dim=2))
    assert z.shape[1] == 6


def test_a_flow_learns_from_the_table(table, monkeypatch):
    model, _, rows = table
    monkeypatch.setattr('study.pixel_table.ITERATIONS', 40)
    monkeypatch.setattr('study.pixel_table.BATCH', 64)
    head = model.uncertainty_heads['fed']
    wrong, weight = head.loss_decode.targets(rows['classes'], rows['labels'])
    losses = []
    for _ in range(2):
        with torch.no_grad():
            log_odds = head.flow.log_odds(*variables(head, rows))[0, :, 0]
        losses.append(float((torch.nn.functional.softplus(log_odds.where(~wrong, -log_odds)) * weight).sum() / weight.sum()))
        fit_flow(head, rows, 'fed', 'mistakes', 0)
    assert head.flow.initialized and losses[1] < losses[0]


def scored(develops, seed, scores=('msp', 'fedu_0', 'fedu_1')):
    generator = np.random.default_rng(seed)
    positive = generator.random(400) < 0.3
    return ScoredImage(f'{seed}', develops, f'{seed}', positive,
                       {name: (positive + generator.normal(size=400)).astype(np.float32) for name in scores})


def test_cells_are_those_of_scikit_learn_and_intervals_hold_them():
    images = [scored(seed < 2, seed) for seed in range(6)]
    cells = cells_of(images, develops=False)
    truth = np.concatenate([image.positive for image in images[2:]])
    values = []
    for name in ('msp', 'fedu_0', 'fedu_1'):
        scores = np.concatenate([image.scores[name] for image in images[2:]])
        false, true, _ = roc_curve(truth, scores, drop_intermediate=False)
        values.append((100 * average_precision_score(truth, scores), 100 * false[np.searchsorted(true, 0.95)]))
    assert cells['msp'].values == pytest.approx(values[0])
    assert cells['fedu'].values == pytest.approx(np.mean(values[1:], axis=0)) and cells['fedu'].spread[0] > 0
    for value, (low, high) in zip(cells['msp'].values, cells['msp'].intervals):
        assert low < value < high and high - low < 30
    assert cells_of(images, develops=True)['msp'].intervals is None


def test_ranks_share_ties_and_best_is_one():
    one = cells_of([scored(True, 0)], develops=True)
    ranks = mean_ranks([{'a': one['msp'], 'b': one['msp'], 'c': one['fedu']}], ['a', 'b', 'c'])
    assert ranks['a'] == ranks['b'] and sum(ranks.values()) == pytest.approx(6)


def test_the_critical_difference_is_that_of_the_paper():
    # Demšar (2006), section 3.2.2: four classifiers on 14 data sets, q = 2.569.
    assert critical_difference(methods=4, columns=14) == pytest.approx(2.569 * np.sqrt(4 * 5 / (6 * 14)), abs=1e-3)


def test_only_seeds_are_taken_off_names():
    names = ('fedu_2', 'vim_published', 'cdnp', 'fedu_17')
    assert [without_seed(name) for name in names] == ['fedu', *names[1:]]
