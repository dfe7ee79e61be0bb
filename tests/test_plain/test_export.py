"""A wrapped network becomes a file that computes the same."""
import numpy as np
import pytest
import torch

import mmseg_uncertainty
from mmseg_uncertainty.apis.onnx_export import onnx_runner
from mmseg_uncertainty.apis.torch_export import torchscript_runner
from tests.outside import Plain

pytest.importorskip('onnx', reason='onnx is not installed; pip install "mmseg_uncertainty[onnx]"')
pytest.importorskip('onnxruntime', reason='onnxruntime is not installed')


@pytest.fixture(scope='module')
def model():
    torch.manual_seed(0)
    model = mmseg_uncertainty.wrap(Plain(), num_classes=5, features_from='classifier', heads=['msp', 'energy', 'mahalanobis', 'knn'],
                                   calibrator='temperature', sets=dict(alpha=0.2),
                                   decisions=dict(flagged=dict(head='msp', alpha=0.1)))
    return model.fit([(torch.randn(10, 3, 32, 48), torch.randint(0, 5, (10, 32, 48)))], progress=False)


@pytest.mark.parametrize('name, runner', [('model.onnx', onnx_runner), ('model.pt', torchscript_runner)])
def test_files_compute_what_the_model_predicts(model, name, runner, tmp_path):
    images = torch.randn(2, 3, 44, 60)
    expected = model.predict(images)
    labels, _, *maps, flags, sets = runner(model.export(tmp_path / name))(images)
    np.testing.assert_array_equal(labels, expected.labels)
    for head, found in zip(model.heads, maps, strict=True):
        np.testing.assert_allclose(found, expected.uncertainty[head], atol=1e-3, rtol=1e-4)
    assert flags.dtype == bool and sets.dtype == bool
    assert torch.equal(model.predict(images).uncertainty['knn'], expected.uncertainty['knn'])


def test_other_suffixes_and_heads_are_named(model, tmp_path):
    with pytest.raises(ValueError, match="the suffix '.pb' tells no format; expected one of .onnx, .pt"):
        model.export(tmp_path / 'model.pb')
    with pytest.raises(ValueError, match="Unknown heads \\['gini'\\]"):
        model.export(tmp_path / 'model.onnx', heads=['gini'])
    assert not list(tmp_path.iterdir())
