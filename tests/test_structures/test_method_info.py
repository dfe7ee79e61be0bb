"""What methods say of themselves."""
import pytest

from mmseg_uncertainty.structures import MethodInfo


def test_a_method_reads_logits_and_is_ready_unless_it_says_otherwise():
    info = MethodInfo('Energy', 'Liu et al.', 2020)
    assert info.needs == {'logits'} and info.fitted is False
    assert MethodInfo('Energy', '', 2020, needs={'features', 'images'}, fitted=True).needs == {'images', 'features'}
    with pytest.raises(ValueError, match=r"MethodInfo\('Energy'\): unknown needs \['depth'\]; choose from \['features', 'images'"):
        MethodInfo('Energy', '', 2020, needs={'logits', 'depth'})
