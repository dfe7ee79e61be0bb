"""What a mask transformer of mmseg lacks is named as the installed stack names it."""
import sys

import pytest

from mmseg_uncertainty.models.bases import mmseg_base


@pytest.mark.parametrize('stack, advice', [
    ('OneDL', r'layers of onedl-mmdetection.*pip install "mmseg_uncertainty\[mask2former\]"'),
    ('OpenMMLab', r'layers of mmdet,.*pip install "mmdet>=3,<4"')])
def test_mmdet_is_that_of_the_installed_stack(monkeypatch, stack, advice):
    monkeypatch.setitem(sys.modules, 'mmdet', None)
    monkeypatch.setattr(mmseg_base, 'installed_stacks', lambda: {stack: ['mmcv']})
    with pytest.raises(ImportError, match=advice):
        mmseg_base.check_mask_head(dict(type='Mask2FormerHead'))
