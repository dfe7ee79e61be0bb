"""StandardizedMaxLogitHead: statistics do not depend on how the data are batched."""
from __future__ import annotations

import pytest
import torch
from torch.testing import assert_close

from mmseg_uncertainty.models.decode_heads.standardized_max_logit_head import StandardizedMaxLogitHead
from mmseg_uncertainty.structures import FrozenOutputs

K = 4


def fit(logits: torch.Tensor, labels: torch.Tensor, cuts: list[int]) -> StandardizedMaxLogitHead:
    head = StandardizedMaxLogitHead(K)
    head.start_stage(0)
    for part_logits, part_labels in zip(logits.tensor_split(cuts), labels.tensor_split(cuts)):
        head.update(FrozenOutputs(part_logits, part_logits, None), part_labels, [])
    head.merge_ranks()
    head.finish_stage(0)
    return head


def test_batches_do_not_matter_and_right_pixels_come_out_standardized():
    generator = torch.Generator().manual_seed(0)
    logits = 7 + 2 * torch.randn(6, K, 8, 9, generator=generator)
    labels = torch.where(torch.rand(6, 8, 9, generator=generator) < 0.6, logits.argmax(1), 255)
    head, other = fit(logits, labels, [1, 4]), fit(logits.flip(0), labels.flip(0), [3])
    assert_close(head.statistics.means, other.statistics.means)
    score = head(logits)[logits.argmax(1) == labels]
    predicted = logits.argmax(1)[logits.argmax(1) == labels]
    for k in range(K):
        chosen = score[predicted == k]
        assert_close(chosen.mean(), torch.zeros(()), atol=1e-4, rtol=0)
        assert_close(chosen.std(correction=0), torch.ones(()), atol=1e-4, rtol=0)


def test_fitting_anew_forgets_the_earlier_fit():
    logits, labels = torch.randn(2, K, 5, 5), torch.zeros(2, 5, 5, dtype=torch.long)
    head = fit(logits, labels, [])
    head.start_stage(0)
    head.update(FrozenOutputs(logits + 5, logits, None), labels, [])
    head.finish_stage(0)
    assert_close(head.statistics.means, fit(logits + 5, labels, []).statistics.means)


def test_nothing_is_fitted_on_void_alone():
    with pytest.raises(ValueError, match='StandardizedMaxLogitHead: no pixel of the calibration images is predicted as'):
        fit(torch.randn(2, K, 5, 5), torch.full((2, 5, 5), 255), [])


def test_an_unfitted_head_says_so_and_a_loaded_one_scores():
    with pytest.raises(RuntimeError, match='no class statistics'):
        StandardizedMaxLogitHead(K)(torch.randn(1, K, 2, 2))
    copy = StandardizedMaxLogitHead(K)
    head = fit(torch.randn(2, K, 5, 5), torch.zeros(2, 5, 5, dtype=torch.long), [])
    copy.load_state_dict(head.state_dict())
    logits = torch.randn(1, K, 3, 3)
    assert torch.equal(copy(logits), head(logits))


def test_published_constants_need_no_fit():
    head = StandardizedMaxLogitHead(19, 'segformer_b2')
    assert head.stages == 0 and head(torch.randn(1, 19, 2, 2)).shape == (1, 2, 2)
    with pytest.raises(ValueError, match='has 19 means'):
        StandardizedMaxLogitHead(K, 'segformer_b2')
    with pytest.raises(ValueError, match='segformer_b5'):
        StandardizedMaxLogitHead(19, 'segformer_b9')
