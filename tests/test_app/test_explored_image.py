"""What sliders draw from is what the model said."""
import numpy as np
import pytest
import torch

from mmseg_uncertainty.app import explored_image, pictures
from mmseg_uncertainty.app.explored_image import ExploredImage, ImageStore
from mmseg_uncertainty.datasets import DatasetError
from mmseg_uncertainty.functional.prediction_sets import SetFamily


class CountingInferencer:
    """Stands in for a model and counts its passes."""

    def __init__(self, sample):
        self.sample, self.passes = sample, 0
        self.model = type('Model', (), dict(set_head=None))

    def __call__(self, image, return_datasamples):
        self.passes += 1
        return dict(predictions=[self.sample(*image.shape[:2])])


@pytest.fixture
def inferencer(sample_of):
    return CountingInferencer(sample_of)


def explored(height=20, width=30, classes=5):
    generator = torch.Generator().manual_seed(0)
    probabilities = torch.randn(classes, height, width, generator=generator).mul(3).softmax(dim=0)
    truth = np.random.default_rng(0).integers(0, classes, (height, width)).astype(np.uint8)
    truth[0] = 255
    return ExploredImage(np.full((height, width, 3), 99, np.uint8), probabilities.argmax(0).numpy(), probabilities,
                         dict(msp=1 - probabilities.amax(0).numpy()), truth, (height, width))


@pytest.mark.parametrize('kind', ['lac', 'aps'])
def test_set_sizes_are_those_of_the_family(kind):
    image, family = explored(), SetFamily(kind)
    for threshold in (1e-6, 0.01, 0.3, 1.0):
        expected = family.sets(image.probabilities[None], threshold)[0].sum(dim=0)
        np.testing.assert_array_equal(image.set_sizes(family, threshold), expected)


def test_void_is_no_mistake():
    image = explored()
    assert not image.mistakes[0].any() and image.mistakes[1:].any()


def test_an_image_is_predicted_once(inferencer):
    store = ImageStore(inferencer, capacity=2)
    pictures_ = [np.full((8, 9, 3), value, np.uint8) for value in range(3)]
    keys = [store.add(picture) for picture in pictures_[:2]]
    assert store.add(pictures_[0]) == keys[0] and inferencer.passes == 2
    store.add(pictures_[2])
    assert store.get(keys[1]) is None and store.get(keys[0]) is not None
    assert store.get(keys[0]).probabilities.sum(dim=0).allclose(torch.ones(8, 9))


def test_large_images_are_thinned_or_refused(inferencer, monkeypatch):
    monkeypatch.setattr(explored_image, 'SHOWN_PIXELS', 100)
    store = ImageStore(inferencer)
    thinned = store.get(store.add(np.zeros((40, 30, 3), np.uint8)))
    assert thinned.image.shape == (10, 8, 3) and thinned.labels.shape == (10, 8) and thinned.size == (40, 30)
    with pytest.raises(DatasetError, match='tools/infer.py'):
        store.add(np.broadcast_to(np.uint8(0), (5000, 5000, 3)))


def test_pictures_show_what_they_say():
    image = explored(40, 60)
    factor = pictures.enlargement(image)
    sizes = pictures.size_picture(image, np.where(np.arange(60) < 30, 1, 5)[None].repeat(40, 0))
    assert sizes.shape == (40 * factor, 60 * factor, 3) and (sizes[0, 0] != sizes[0, -1]).any()
    none, everything = (pictures.heat_picture(image, 'msp', threshold, (0, 1)) for threshold in (2, -1))
    assert (everything[..., 2].astype(int) - none[..., 2]).mean() > 50
    errors = pictures.error_picture(image, 'msp', 0.3)[::factor, ::factor]
    flagged = image.maps['msp'] >= 0.3
    assert (errors[image.mistakes & flagged][:, 1] > errors[image.mistakes & flagged][:, 0]).all()
    assert (errors[image.mistakes & ~flagged][:, 0] > errors[image.mistakes & ~flagged][:, 1]).all()
    grey = errors[~image.mistakes & ~flagged]
    assert (grey == grey[:, :1]).all()
