"""What is kept of the features serves every module that reads them, and is no more than that."""
from types import SimpleNamespace

import pytest
import torch

from mmseg_uncertainty.models.utils.feature_groups import features_name, kept_features

BLIND, WHOLE = SimpleNamespace(), SimpleNamespace(needs_features=True)
FEATURES = torch.randn(2, 12, 3, 5)


def reader(groups):
    return SimpleNamespace(needs_features=True, feature_groups=groups)


@pytest.mark.parametrize(('modules', 'name'), [
    ([], None), ([BLIND], None), ([SimpleNamespace(feature_groups=4)], None), ([WHOLE], 'features'), ([reader(None)], 'features'),
    ([reader(4)], 'features_4'), ([reader(4), BLIND, reader(4)], 'features_4'), ([reader(4), reader(3)], 'features'),
    ([reader(4), WHOLE], 'features'), ([reader(2), reader(3), reader(4)], 'features')])
def test_averages_are_kept_where_all_readers_agree_on_them(modules, name):
    assert features_name(modules) == name


def test_kept_are_the_features_or_the_means_of_their_groups():
    assert kept_features(FEATURES, 'features') is FEATURES
    torch.testing.assert_close(kept_features(FEATURES, 'features_4'), torch.stack([
        FEATURES[:, start:start + 3].mean(1) for start in (0, 3, 6, 9)], dim=1))
    assert kept_features(None, 'features') is kept_features(None, 'features_4') is None
