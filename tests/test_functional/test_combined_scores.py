"""Standardized scores: scales and shifts of the parts change nothing."""
import pytest
import torch
from torch.testing import assert_close

from mmseg_uncertainty.functional.combined_scores import combine_scores


def parts():
    scores = torch.randn(3, 2, 5, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    return list(scores), scores.flatten(1).mean(1), scores.flatten(1).std(1, correction=0)


@pytest.mark.parametrize('reduction, expected', [('sum', lambda values: values.sum(0)), ('max', lambda values: values.amax(0))])
def test_the_formula_and_its_invariances(reduction, expected):
    scores, means, deviations = parts()
    standardized = torch.stack([(score - score.mean()) / score.std(correction=0) for score in scores])
    assert_close(combine_scores(scores, means, deviations, reduction), expected(standardized))
    moved = [1e3 + 50 * scores[0], *scores[1:]]
    means, deviations = (values.index_put((torch.tensor(0), ), changed) for values, changed in (
        (means, 1e3 + 50 * means[0]), (deviations, 50 * deviations[0])))
    assert_close(combine_scores(moved, means, deviations, reduction), expected(standardized))


def test_as_many_means_as_scores():
    scores, means, deviations = parts()
    with pytest.raises(ValueError):
        combine_scores(scores[:2], means, deviations)
