import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.testing import assert_close

from mmseg_uncertainty.functional.prediction_sets import SetFamily, class_counts, set_sizes

FAMILIES = [SetFamily('lac'), SetFamily('aps'), SetFamily('raps', penalty=0.05, free_ranks=2),
            SetFamily('lac', force_top=False)]
families = st.sampled_from(FAMILIES)


def probability_map(seed, num_classes=6, sharpness=3.0, size=(9, 7)):
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(2, num_classes, *size, generator=generator) * sharpness).softmax(1)


@settings(max_examples=30, deadline=None)
@given(families, st.integers(0, 10**6), st.floats(0, 1), st.floats(0, 1))
def test_sets_are_nested(family, seed, first, second):
    probabilities = probability_map(seed)
    small, large = family.sets(probabilities, max(first, second)), family.sets(probabilities, min(first, second))
    assert (large | ~small).all()


@settings(max_examples=30, deadline=None)
@given(families, st.integers(0, 10**6), st.floats(0, 1))
def test_sets_are_conformities_that_reach_the_threshold(family, seed, threshold):
    probabilities = probability_map(seed)
    reaches = family.conformity(probabilities) >= torch.tensor(threshold, dtype=torch.float32)
    assert_close(family.sets(probabilities, threshold), reaches)


@pytest.mark.parametrize('family', FAMILIES, ids=str)
def test_a_conformity_of_exactly_the_threshold_is_in_the_set(family):
    probabilities = probability_map(2)
    threshold = family.conformity(probabilities)[1, 3, 4, 5].item()
    assert family.sets(probabilities, threshold)[1, 3, 4, 5]


@pytest.mark.parametrize('family', FAMILIES, ids=str)
def test_label_conformity_picks_from_the_conformity_of_all_classes(family):
    probabilities = probability_map(1)
    labels = torch.randint(6, (2, 9, 7))
    expected = family.conformity(probabilities).gather(1, labels.unsqueeze(1)).squeeze(1)
    assert_close(family.label_conformity(probabilities, labels), expected)


@pytest.mark.parametrize('family', FAMILIES[:3], ids=str)
def test_extremes_are_the_arg_max_and_all_classes(family):
    probabilities = probability_map(2)
    only_top = torch.nn.functional.one_hot(probabilities.argmax(1), 6).permute(0, 3, 1, 2).bool()
    assert_close(family.sets(probabilities, 1.0), only_top)
    assert family.sets(probabilities, 0.0).all()


@settings(max_examples=25, deadline=None)
@given(families, st.integers(0, 10**6))
def test_conformities_follow_the_order_of_the_probabilities(family, seed):
    probabilities = probability_map(seed)
    order = probabilities.argsort(1, descending=True)
    ranked = family.conformity(probabilities).gather(1, order)
    assert (ranked.diff(dim=1) <= 1e-7).all()
    assert ranked.min() >= 0 and ranked.max() <= 1


@settings(max_examples=25, deadline=None)
@given(families, st.integers(0, 10**6), st.permutations(range(6)))
def test_sets_move_with_the_names_of_the_classes(family, seed, permutation):
    probabilities = probability_map(seed).double()
    assert_close(family.sets(probabilities[:, permutation], 0.3), family.sets(probabilities, 0.3)[:, permutation])


def test_adaptive_sets_are_the_shortest_prefix_beyond_the_level():
    probabilities = probability_map(3).double()
    membership = SetFamily('aps').sets(probabilities, 0.25).permute(0, 2, 3, 1).reshape(-1, 6)
    for pixel, chosen in zip(probabilities.permute(0, 2, 3, 1).reshape(-1, 6), membership):
        mass, expected = 0.0, set()
        for label in pixel.argsort(descending=True).tolist():
            expected.add(label)
            mass += pixel[label].item()
            if mass > 0.75:
                break
        assert set(torch.nonzero(chosen).flatten().tolist()) == expected


def test_regularized_sets_without_penalty_are_adaptive_sets():
    probabilities = probability_map(4)
    assert_close(SetFamily('raps', penalty=0.0).conformity(probabilities), SetFamily('aps').conformity(probabilities))


def test_a_penalty_on_ranks_shortens_the_largest_sets():
    probabilities = probability_map(5, sharpness=1.5)
    coverage = {}
    for penalty in (0.0, 0.2):
        family = SetFamily('raps', penalty=penalty, free_ranks=2)
        threshold = family.conformity(probabilities).quantile(0.5)
        coverage[penalty] = set_sizes(family.sets(probabilities, threshold)).double().std()
    assert coverage[0.2] < coverage[0.0]


@pytest.mark.parametrize('family', FAMILIES, ids=str)
def test_chunks_do_not_show(family, monkeypatch):
    probabilities = probability_map(6)
    whole = family.sets(probabilities, 0.1)
    monkeypatch.setattr('mmseg_uncertainty.functional.prediction_sets.PIXELS_PER_CHUNK', 10)
    assert_close(family.sets(probabilities, 0.1), whole)


@pytest.mark.parametrize('family', FAMILIES)
def test_probabilities_without_positions_are_those_of_one_pixel(family):
    probabilities = probability_map(0, size=(1, 1))
    alone = probabilities[..., 0, 0]
    assert_close(family.conformity(alone), family.conformity(probabilities)[..., 0, 0], rtol=0, atol=0)
    assert_close(family.sets(alone, 0.4), family.sets(probabilities, 0.4)[..., 0, 0])
    assert_close(family.label_conformity(alone, torch.tensor([0, 3])), family.conformity(alone)[[0, 1], [0, 3]])


def test_one_threshold_per_class():
    probabilities = probability_map(7)
    thresholds = torch.linspace(0.05, 0.9, 6)
    membership = SetFamily('aps').sets(probabilities, thresholds)
    for label in range(6):
        assert_close(membership[:, label], SetFamily('aps').sets(probabilities, float(thresholds[label]))[:, label])


def test_class_counts_agree_with_numpy_and_skip_void():
    labels = torch.randint(-1, 9, (3, 40))
    labels[labels == 8] = 255
    expected = np.stack([np.bincount(row[(row >= 0) & (row < 8)], minlength=8) for row in labels.numpy()])
    np.testing.assert_array_equal(class_counts(labels, 8).numpy(), expected)


@pytest.mark.parametrize('options', [dict(kind='top5'), dict(penalty=-1.0), dict(free_ranks=0)])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match='SetFamily'):
        SetFamily(**options)
