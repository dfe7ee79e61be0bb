"""What a mask transformer of mmseg lacks is named as the installed stack names it."""
import sys
from types import SimpleNamespace

import pytest
import torch

from mmseg_uncertainty.models.bases import mmseg_base


@pytest.mark.parametrize('stack, advice', [
    ('OneDL', r'layers of onedl-mmdetection.*pip install "mmseg_uncertainty\[mask2former\]"'),
    ('OpenMMLab', r'layers of mmdet,.*pip install "mmdet>=3,<4"')])
def test_mmdet_is_that_of_the_installed_stack(monkeypatch, stack, advice):
    monkeypatch.setitem(sys.modules, 'mmdet', None)
    monkeypatch.setattr(mmseg_base, 'installed_stacks', lambda: {stack: ['mmcv']})
    with pytest.raises(ImportError, match=advice):
        mmseg_base.check_mask_head(dict(type='Mask2FormerHead'))


def test_the_last_of_several_heads_decides():
    heads = torch.nn.ModuleList([torch.nn.Identity(), torch.nn.ReLU()])
    base = SimpleNamespace(network=SimpleNamespace(decode_head=heads))
    assert mmseg_base.MMSegBase.last_decode_head.fget(base) is heads[1]
    base.network.decode_head = heads[0]
    assert mmseg_base.MMSegBase.last_decode_head.fget(base) is heads[0]


def test_a_mask_head_counts_where_it_is_the_last(monkeypatch):
    monkeypatch.setitem(sys.modules, 'mmdet', None)
    heads = [dict(type='FCNHead'), dict(type='Mask2FormerHead')]
    mmseg_base.check_mask_head(heads[::-1])
    with pytest.raises(ImportError, match='Mask2FormerHead'):
        mmseg_base.check_mask_head(heads)
