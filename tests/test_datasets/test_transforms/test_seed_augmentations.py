"""What is drawn depends on the draw alone, or on one of finitely many views of the image."""
import random

import numpy as np
import pytest

from mmseg_uncertainty.datasets import SeedAugmentations
from mmseg_uncertainty.datasets.samplers import Draw


def drawn(transform, index, seed):
    transform(dict(sample_idx=Draw(index, seed)))
    return np.random.random(), random.random()


def test_a_draw_decides_what_follows():
    transform = SeedAugmentations()
    assert drawn(transform, 3, 17) == drawn(transform, 3, 17) != drawn(transform, 3, 18)


def test_an_image_has_as_many_views_as_asked_for_and_images_differ():
    transform = SeedAugmentations(views=4)
    views = {index: {drawn(transform, index, seed) for seed in range(100, 200)} for index in (0, 1)}
    assert len(views[0]) == len(views[1]) == 4
    assert not views[0] & views[1]


def test_a_plain_index_and_no_views_are_refused():
    with pytest.raises(ValueError, match='NumberedInfiniteSampler'):
        SeedAugmentations()(dict(sample_idx=3))
    with pytest.raises(ValueError, match='views=0'):
        SeedAugmentations(views=0)
