"""Libraries that are missing are named with how to install them beside what is there."""
import sys

import pytest
import torch

from mmseg_uncertainty.models.bases.libraries import EXTRAS, library


@pytest.mark.parametrize('name', EXTRAS)
def test_advice_keeps_the_torch_that_is_installed(monkeypatch, name):
    """torchvision alone would bring the torch that it was built for."""
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError) as raised:
        library(name)
    assert f'pip install "mmseg_uncertainty[{EXTRAS[name]}]" torch=={torch.__version__}`' in str(raised.value)
