import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import label

from mmseg_uncertainty.functional.alarms import has_region, raises_alarm
from mmseg_uncertainty.functional.flag_counts import (NEGATIVE, POSITIVE, UNKNOWN, concatenate_flags, region_cell,
                                                      tabulate_flags, threshold_of_cell)
from mmseg_uncertainty.functional.flag_losses import (cell_of_level, detection_table, false_alarm_loss, false_discovery_loss,
                                                      frame_alarm_loss, miss_loss, selective_risk_loss)
from mmseg_uncertainty.functional.score_histogram import NonFiniteScoreError

KINDS = dict(false_alarms=(false_alarm_loss, True), misses=(miss_loss, False), frame_alarms=(frame_alarm_loss, True),
             selective_risk=(selective_risk_loss, False), precision=(false_discovery_loss, True))


def random_images(seed, images=5):
    """Scores of few values, negative ones and zeros among them, some images without pixels of a kind."""
    generator = np.random.default_rng(seed)
    pairs = []
    for index in range(images):
        shape = tuple(generator.integers(1, 6, 2))
        scores = generator.choice(np.array([-3.5, -1.0, -0.0, 0.0, 1e-30, 0.5, 0.7, 2.0, 1e6], np.float32), shape)
        pairs.append((scores, generator.choice(3, shape, p=generator.dirichlet([0.5, 0.5, 0.5]))))
    return pairs


def table_of(pairs, **options):
    return concatenate_flags([tabulate_flags(scores, kinds, **options) for scores, kinds in pairs])


def brute_force(kind, scores, kinds, threshold, label_kind='classes', pixels=1, region=None):
    flags = scores > threshold
    negative, positive = kinds == NEGATIVE, kinds == POSITIVE
    if kind == 'false_alarms':
        return flags[negative].mean() if negative.any() else np.nan
    if kind == 'misses':
        return (~flags)[positive].mean() if positive.any() else np.nan
    if kind == 'frame_alarms':
        if label_kind == 'anomaly' and positive.any():
            return np.nan
        if region is None:
            return float(flags.sum() >= pixels)
        components, _ = label(flags, np.ones((3, 3)))
        return float(np.bincount(components.ravel())[1:].max(initial=0) >= region)
    chosen = (flags if kind == 'precision' else ~flags) & (kinds != UNKNOWN)
    if not (kinds != UNKNOWN).any():
        return np.nan
    wrong = negative if kind == 'precision' else positive
    return wrong[chosen].mean() if chosen.any() else 0.0


@pytest.mark.parametrize('kind', KINDS)
@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), label_kind=st.sampled_from(['classes', 'anomaly']))
def test_losses_are_those_of_the_flags_at_every_threshold(kind, seed, label_kind):
    pairs = random_images(seed)
    table = table_of(pairs, label_kind=label_kind)
    loss, falls = KINDS[kind][0](table), KINDS[kind][1]
    levels = np.unique(np.r_[0.0, 1.0, loss.conformity])
    thresholds = [threshold_of_cell(cell_of_level(level, 16, falls)) for level in levels]
    expected = [[brute_force(kind, scores, kinds, threshold, label_kind) for threshold in thresholds] for scores, kinds in pairs]
    assert np.allclose(loss.at(levels), expected, atol=1e-12, equal_nan=True)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 10**6), pixels=st.integers(1, 6), size=st.integers(1, 6))
def test_frames_alarm_by_pixels_or_by_a_region(seed, pixels, size):
    pairs = random_images(seed)
    table = table_of(pairs, region_sizes=(size, ))
    for options in (dict(pixels=pixels), dict(region=size)):
        loss = frame_alarm_loss(table, **options)
        levels = np.unique(np.r_[0.0, 1.0, loss.conformity])
        thresholds = [threshold_of_cell(cell_of_level(level, 16, True)) for level in levels]
        expected = [[brute_force('frame_alarms', *pair, threshold, **options) for threshold in thresholds] for pair in pairs]
        assert loss.at(levels).tolist() == expected
        assert [[raises_alarm(scores > threshold, **options) for threshold in thresholds] for scores, _ in pairs] == expected


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 10**6), kind=st.sampled_from(sorted(KINDS)))
def test_losses_of_units_are_the_means_of_their_images(seed, kind):
    table, units = table_of(random_images(seed, 6)), np.array([0, 2, 0, 1, 2, 2])
    levels = np.linspace(0, 1, 40)
    single, joint = KINDS[kind][0](table).at(levels), KINDS[kind][0](table, units=units).at(levels)
    for unit in range(3):
        own = single[units == unit]
        defined = ~np.isnan(own[:, 0])
        expected = own[defined].mean(axis=0) if defined.any() else np.full(40, np.nan)
        assert np.allclose(joint[unit], expected, atol=1e-12, equal_nan=True)


def test_a_threshold_divides_the_scores_of_its_cell_from_lower_ones():
    scores = np.float32([-2, -1.0001, -1, -1e-20, 0, 1e-20, 1, 1.01, 3e38])
    table = tabulate_flags(scores[None], np.zeros((1, 9), int))
    for cell in table.cell:
        assert ((scores > threshold_of_cell(cell)).sum() == table.counts[table.cell >= cell].sum())


def test_sums_are_exact_integers():
    table = tabulate_flags(np.full((3000, 3000), 0.5, np.float32), np.zeros((3000, 3000), int))
    assert table.counts.dtype == np.int64 and table.counts.tolist() == [[9_000_000, 0, 0]]


def test_right_and_wrong_pixels_are_both_in_distribution():
    table = tabulate_flags(np.array([[0.1, 0.5, 0.9]]), np.array([[0, 1, 2]]))
    detected = detection_table(table, 'anomalies')
    assert detected.totals.tolist() == [[2, 0, 0]] or detected.totals[0, :2].tolist() == [2, 0]
    assert false_alarm_loss(detected).at([1.0])[0, 0] == 1
    assert np.isnan(miss_loss(detected).at([0.5])[0, 0])
    assert frame_alarm_loss(detected, pixels=3).at([1.0])[0, 0] == 1, 'void pixels raise alarms too'


def test_regions_are_found_by_bisection_where_the_first_is_reached():
    cells = np.array([[9, 1, 7], [1, 8, 1], [7, 1, 7]])
    assert [region_cell(cells, size) for size in (1, 2, 5, 6, 9, 10)] == [9, 8, 7, 1, 1, -1]
    assert not has_region(np.zeros((2, 2), bool), 1)


@pytest.mark.parametrize('options, found', [(dict(bits=9), 'bits=9'), (dict(label_kind='depth'), "'depth'"),
                                            (dict(region_sizes=(0, )), 'region_sizes')])
def test_options_out_of_range_are_named(options, found):
    with pytest.raises(ValueError, match=found):
        tabulate_flags(np.zeros((1, 1)), np.zeros((1, 1), int), **options)


def test_what_cannot_be_counted_is_refused():
    with pytest.raises(NonFiniteScoreError, match='1 of 2'):
        tabulate_flags(np.array([[np.nan, 1]]), np.array([[2, 0]]))
    with pytest.raises(ValueError, match='shape'):
        tabulate_flags(np.zeros((1, 2)), np.zeros((2, 1), int))
    anomalies = tabulate_flags(np.zeros((1, 2)), np.zeros((1, 2), int), label_kind='anomaly')
    with pytest.raises(ValueError, match="of='mistakes' needs labels of classes"):
        detection_table(anomalies, 'mistakes')
    with pytest.raises(ValueError, match='region=7'):
        frame_alarm_loss(anomalies, region=7)
    with pytest.raises(ValueError, match='differ'):
        concatenate_flags([anomalies, tabulate_flags(np.zeros((1, 2)), np.zeros((1, 2), int))])
