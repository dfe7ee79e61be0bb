"""GEN and KL matching as heads: what they ask of the base, their fit, their records."""
from types import SimpleNamespace

import pytest
import torch
from torch.testing import assert_close

from mmseg_uncertainty.functional.class_distributions import class_distribution
from mmseg_uncertainty.functional.generalized_entropy import generalized_entropy
from mmseg_uncertainty.functional.posterior_templates import PosteriorSums, kl_matching
from mmseg_uncertainty.models.decode_heads import GENHead, KLMatchingHead
from mmseg_uncertainty.structures import FrozenOutputs, GridOutputs

K = 4


def maps(seed=0, count=6):
    generator = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(count, K, 8, 9, generator=generator)
    return logits, torch.randint(K + 1, (count, 8, 9), generator=generator).masked_fill(torch.rand(count, 8, 9) < 0.2, 255)


def fitted(logits, labels, cuts=()):
    head = KLMatchingHead(K)
    head.start_stage(0)
    for part, truth in zip(logits.tensor_split(list(cuts)), labels.tensor_split(list(cuts))):
        head.update(FrozenOutputs(part), truth, [])
    head.merge_ranks()
    head.finish_stage(0)
    return head


def test_gen_reads_what_the_output_means():
    logits, _ = maps()
    assert_close(GENHead(0.3, 2)(logits), generalized_entropy(logits, 0.3, 2))
    sigmoids = GridOutputs(logits, distribution=class_distribution('sigmoids'))
    assert_close(GENHead()(sigmoids), generalized_entropy(logits, sigmoids=True))


@pytest.mark.parametrize('options', [dict(gamma=0.), dict(gamma=1.), dict(top=0)])
def test_gen_refuses_what_is_out_of_range(options):
    with pytest.raises(ValueError, match='GENHead: gamma='):
        GENHead(**options)


def test_templates_are_those_of_labelled_pixels_whatever_the_batches():
    logits, labels = maps()
    one, other = fitted(logits, labels), fitted(logits.flip(0), labels.flip(0), [1, 4])
    assert_close(one.templates, other.templates)
    known = logits.movedim(1, -1)[labels < K]
    assert_close(one(logits), kl_matching(logits, PosteriorSums.of(known).templates().float()))
    spoiled = logits.masked_fill((labels >= K)[:, None], 50.)
    assert torch.equal(fitted(spoiled, labels).templates, one.templates)


def test_a_second_fit_forgets_the_first_and_a_fit_survives_saving():
    head, (logits, labels) = fitted(*maps(1)), maps(2)
    head.start_stage(0)
    head.update(FrozenOutputs(logits), labels, [])
    head.merge_ranks()
    head.finish_stage(0)
    assert torch.equal(head.templates, fitted(logits, labels).templates)
    copy = KLMatchingHead(K)
    with pytest.raises(RuntimeError, match='KLMatchingHead was not fitted'):
        copy(logits)
    copy.load_state_dict(head.state_dict())
    assert torch.equal(copy(logits), head(logits))


def test_kl_matching_refuses_what_it_cannot_read():
    logits, labels = maps()
    with pytest.raises(ValueError, match='KLMatchingHead: no pixel .* is labelled'):
        fitted(logits, torch.full_like(labels, 255))
    with pytest.raises(TypeError, match='one sigmoid per class'):
        KLMatchingHead(K).bind(SimpleNamespace(base=SimpleNamespace(distribution=class_distribution('sigmoids'))))
