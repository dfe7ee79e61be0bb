"""Outputs of base models as logits."""
import builtins

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from mmseg.models.decode_heads import FCNHead, Mask2FormerHead, MaskFormerHead
from torch.testing import assert_close

from mmseg_uncertainty.functional import energy, msp
from mmseg_uncertainty.models.utils import check_mask_head, class_logits

MASKS = Mask2FormerHead.__new__(Mask2FormerHead)
PLAIN = FCNHead.__new__(FCNHead)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_mass_of_masks_becomes_its_share(seed):
    generator = torch.Generator().manual_seed(seed)
    classes = torch.rand(1, 6, 5, generator=generator).softmax(-1)[..., :-1]
    masks = torch.rand(1, 6, 3, 4, generator=generator)
    mass = torch.einsum('nqk,nqhw->nkhw', classes, masks)
    logits = class_logits(mass, MASKS)
    assert_close(logits.softmax(1), mass / mass.sum(1, keepdim=True))
    assert_close(msp(logits), 1 - mass.amax(1) / mass.sum(1))
    assert_close(energy(logits), -mass.sum(1).log())
    assert torch.equal(logits.argmax(1), mass.argmax(1))


def test_no_mass_is_finite_and_most_uncertain():
    logits = class_logits(torch.zeros(1, 4, 1, 1), MASKS)
    assert logits.isfinite().all() and msp(logits).item() == pytest.approx(0.75)


def test_logits_stay_and_one_channel_becomes_two():
    logits = torch.randn(2, 3, 4, 5)
    assert class_logits(logits, PLAIN) is logits
    assert_close(class_logits(logits[:, :1], PLAIN).softmax(1)[:, 1], logits[:, 0].sigmoid())


@pytest.mark.parametrize('head', [dict(type='Mask2FormerHead'), [dict(type='FCNHead'), dict(type=MaskFormerHead)]])
def test_without_mmdet_the_extra_is_named(head, monkeypatch):
    found = builtins.__import__

    def without_mmdet(name, *arguments, **options):
        if name.startswith('mmdet'):
            raise ImportError("No module named 'mmdet'")
        return found(name, *arguments, **options)

    monkeypatch.setattr(builtins, '__import__', without_mmdet)
    with pytest.raises(ImportError, match=r'onedl-mmdetection.*mmseg_uncertainty\[mask2former\]'):
        check_mask_head(head)
    check_mask_head(dict(type='FCNHead'))
