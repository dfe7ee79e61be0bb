"""Keys of results are read whatever a class is called."""
import pytest

from mmseg_uncertainty.runtime.result_keys import head_and_name


@pytest.mark.parametrize('key, parts', [
    ('msp/AP[pooled]', ('msp', 'AP[pooled]')), ('mIoU[pooled]', ('', 'mIoU[pooled]')),
    ('IoU.wall/fence[pooled]', ('', 'IoU.wall/fence[pooled]')), ('set/miss.a/b/c[pooled]', ('set', 'miss.a/b/c[pooled]')),
    ('AUROC[pooled, scales 0.5/1]', ('', 'AUROC[pooled, scales 0.5/1]'))])
def test_a_head_stands_in_front_of_the_first_slash(key, parts):
    assert head_and_name(key) == parts
