import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mmseg_uncertainty.functional.conformal_losses import (binary_loss, class_miss_loss, concatenate_tables,
                                                           miscoverage_loss, select_images, tabulate)
from mmseg_uncertainty.functional.prediction_sets import SetFamily

NUM_CLASSES = 4
THRESHOLDS = np.array([0.0, 0.02, 0.1, 0.35, 0.8, 1.0], dtype=np.float32)


def labelled_maps(seed, num_images=5, pixels=60):
    generator = torch.Generator().manual_seed(seed)
    probabilities = (2 * torch.randn(num_images, NUM_CLASSES, pixels, generator=generator)).softmax(1)
    labels = torch.multinomial(probabilities.movedim(1, 2).flatten(0, 1), 1, generator=generator).view(num_images, -1)
    void = torch.rand(labels.shape, generator=generator) < 0.2
    return probabilities, labels, labels.masked_fill(void, 255)


def table_of(seed, **options):
    probabilities, labels, marked = labelled_maps(seed)
    return tabulate(SetFamily().label_conformity(probabilities, labels), marked, NUM_CLASSES, **options)


def direct_misses(seed, threshold):
    """Which pixels are missed and which are labelled, from the sets themselves."""
    probabilities, labels, marked = labelled_maps(seed)
    covered = SetFamily().sets(probabilities, threshold).gather(1, labels.unsqueeze(1)).squeeze(1)
    return (~covered & (marked != 255)).numpy(), marked.numpy()


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.lists(st.floats(0, 5), min_size=NUM_CLASSES, max_size=NUM_CLASSES).filter(any))
def test_weighted_miscoverage_is_what_the_sets_miss(seed, weights):
    losses = miscoverage_loss(table_of(seed), weights).at(THRESHOLDS)
    for column, threshold in enumerate(THRESHOLDS):
        missed, marked = direct_misses(seed, float(threshold))
        pixel_weights = np.array([*weights, 0.0])[np.minimum(marked, NUM_CLASSES)]
        expected = (missed * pixel_weights).sum(1) / pixel_weights.sum(1)
        np.testing.assert_allclose(losses[:, column], expected, atol=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.3, 0.5, 0.75, 0.9, 0.99, 1.0]))
def test_binary_loss_compares_the_covered_share_with_tau(seed, tau):
    losses = binary_loss(table_of(seed), tau).at(THRESHOLDS)
    for column, threshold in enumerate(THRESHOLDS):
        missed, marked = direct_misses(seed, float(threshold))
        covered = 1 - missed.sum(1) / (marked != 255).sum(1)
        np.testing.assert_array_equal(losses[:, column], covered < tau - 1e-9)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4), st.sampled_from([0.5, 0.75, 0.9, 1.0]))
def test_a_row_of_many_pixels_counts_as_many(seed, bits, tau):
    """Few bits leave few distinct conformities; each of their rows stands for all pixels it merged."""
    coarse = table_of(seed, mantissa_bits=bits)
    losses = binary_loss(coarse, tau).at(THRESHOLDS)
    for column, threshold in enumerate(THRESHOLDS.astype(np.float64)):
        lost = np.bincount(coarse.image, coarse.count * (coarse.conformity < threshold), len(coarse.pixels))
        np.testing.assert_array_equal(losses[:, column], 1 - lost / coarse.pixels.sum(axis=1) < tau - 1e-9)


def test_the_share_wanted_of_an_image_is_counted_as_written():
    """0.07 of 100 pixels are 7, although the product is a little more in floating point."""
    for total in (10, 50, 100, 300):
        for wanted in range(1, total):
            tau = wanted / total
            conformity = torch.zeros(1, total)
            conformity[0, :wanted] = 0.5
            table = tabulate(conformity, torch.zeros(1, total, dtype=torch.long), 1)
            assert binary_loss(table, tau).at([0.5, 0.6]).tolist() == [[0, 1]], tau


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.permutations(range(len(THRESHOLDS))))
def test_losses_do_not_depend_on_the_order_of_the_thresholds(seed, order):
    loss = miscoverage_loss(table_of(seed))
    np.testing.assert_array_equal(loss.at(THRESHOLDS[list(order)]), loss.at(THRESHOLDS)[:, list(order)])


def test_class_miss_is_undefined_where_the_class_is_absent():
    conformity = torch.tensor([[0.5, 0.2, 1.0], [0.1, 0.4, 0.3]])
    loss = class_miss_loss(tabulate(conformity, torch.tensor([[0, 1, 1], [0, 0, 0]]), 2), 1)
    np.testing.assert_array_equal(loss.at([0.2, 0.25, 1.0]), [[0, 0.5, 0.5], [np.nan] * 3])


def test_an_image_without_labels_has_no_loss():
    table = tabulate(torch.rand(2, 4), torch.tensor([[255] * 4, [0, 1, 2, 255]]), 3)
    for loss in (miscoverage_loss(table), binary_loss(table, 0.5)):
        np.testing.assert_array_equal(loss.defined, [False, True])


def test_tables_do_not_depend_on_the_batches():
    probabilities, labels, marked = labelled_maps(3)
    conformity = SetFamily().label_conformity(probabilities, labels)
    joined = concatenate_tables([tabulate(conformity[part], marked[part], NUM_CLASSES)
                                 for part in (slice(0, 1), slice(1, 4), slice(4, 5))])
    whole = tabulate(conformity, marked, NUM_CLASSES)
    for field in ('image', 'label', 'conformity', 'count', 'pixels'):
        np.testing.assert_array_equal(getattr(joined, field), getattr(whole, field))


def test_selected_images_keep_their_losses():
    table, images = table_of(4), np.array([3, 0])
    chosen = miscoverage_loss(select_images(table, images)).at(THRESHOLDS)
    np.testing.assert_array_equal(chosen, miscoverage_loss(table).at(THRESHOLDS)[images])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 12))
def test_fewer_bits_only_raise_losses_and_keep_all_pixels(seed, bits):
    exact, coarse = table_of(seed), table_of(seed, mantissa_bits=bits)
    assert coarse.count.sum() == exact.count.sum() and len(coarse.count) <= len(exact.count)
    gap = miscoverage_loss(coarse).at(THRESHOLDS) - miscoverage_loss(exact).at(THRESHOLDS)
    assert (gap >= -1e-12).all()
    finer = miscoverage_loss(exact).at(THRESHOLDS * (1 + 2.0**-bits))
    assert (miscoverage_loss(coarse).at(THRESHOLDS) <= finer + 1e-12).all()


def test_bad_input_is_named():
    with pytest.raises(ValueError, match='NaN'):
        tabulate(torch.tensor([[float('nan')]]), torch.tensor([[0]]), 2)
    with pytest.raises(ValueError, match='coverage=0'):
        binary_loss(table_of(0), 0)
    with pytest.raises(ValueError, match='class weights'):
        miscoverage_loss(table_of(0), [1.0])


def test_the_first_label_beyond_the_classes_is_void():
    table = tabulate(torch.tensor([[0.5, 0.4]]), torch.tensor([[1, 2]]), num_classes=2)
    assert table.conformity.tolist() == [0.5] and table.pixels.tolist() == [[0, 1]]
