"""Laws of measuring a model on coarser classes."""
import pytest
import torch
from torch.testing import assert_close

from mmseg_uncertainty.functional.class_groups import merge_class_logits


def test_probabilities_add_up():
    logits = 5 * torch.randn(5, 7, 4, generator=torch.Generator().manual_seed(0))
    groups = torch.tensor([1, 0, 1, 2, 0])
    probabilities, merged = logits.softmax(0), merge_class_logits(logits, groups.tolist()).softmax(0)
    for group in range(3):
        assert_close(merged[group], probabilities[groups == group].sum(0))


def test_a_shift_of_all_logits_shifts_and_classes_of_their_own_stay():
    logits = torch.randn(3, 11, generator=torch.Generator().manual_seed(0))
    assert_close(merge_class_logits(logits + 9, [0, 1, 1]), merge_class_logits(logits, [0, 1, 1]) + 9)
    assert_close(merge_class_logits(logits, [2, 0, 1]), logits[[1, 2, 0]])


@pytest.mark.parametrize('groups', [[0, 1], [0, 2, 2]])
def test_groups_that_do_not_fit_are_refused(groups):
    with pytest.raises(ValueError, match='expected one group per class'):
        merge_class_logits(torch.zeros(3, 2), groups)
