"""Images are known by content: any order, each once, divided the same way."""
import numpy as np
import pytest
import torch

from mmseg_uncertainty.functional.label_space import LabelSpace
from mmseg_uncertainty.plain.calibration_images import WHOLE, CalibrationImages
from tests.test_plain.small_networks import small_images, small_loader

IMAGES, LABELS = small_images(10)
SPACE = LabelSpace(3)


def listed(loader, **options):
    return CalibrationImages(loader, SPACE, progress=False, **options)


def keys_of(images, part=WHOLE):
    return {meta['img_path'] for _, metas in images.batches(part, '') for meta in metas}


def test_a_shuffle_changes_neither_images_nor_division():
    loader = small_loader(IMAGES, LABELS, shuffle=True)
    first, second = listed(loader), listed(small_loader(IMAGES, LABELS, batch_size=3, shuffle=True))
    assert first.shuffles and first.positions == second.positions and first.digest == second.digest
    assert keys_of(first, (0.0, 0.3)) == keys_of(second, (0.0, 0.3))


def test_parts_divide_the_images():
    images = listed(small_loader(IMAGES, LABELS))
    parts = [keys_of(images, part) for part in ((0.0, 0.3), (0.3, 1.0))]
    assert [len(part) for part in parts] == [3, 7] == [images.count((0.0, 0.3)), images.count((0.3, 1.0))]
    assert not parts[0] & parts[1] and parts[0] | parts[1] == set(images.keys)


def test_places_in_a_part_fill_it():
    metas = [meta for _, metas in listed(small_loader(IMAGES, LABELS)).batches((0.3, 1.0), '') for meta in metas]
    places = sorted(meta['calibration_position'] for meta in metas)
    assert np.allclose(places, (np.arange(7) + 0.5) / 7)


def test_without_a_shuffle_the_index_decides():
    images, others = listed(small_loader(IMAGES, LABELS)), listed(small_loader(-IMAGES, LABELS, batch_size=1))
    assert not images.shuffles
    assert list(images.positions.values()) == list(others.positions.values())
    assert listed(small_loader(IMAGES, LABELS), seed=1).positions != images.positions


def test_groups_stay_together():
    groups = list('aabbbccdde')
    images = listed(small_loader(IMAGES, LABELS), groups=groups)
    places = {group: {images.positions[key] for key, other in zip(images.keys, groups) if other == group}
              for group in groups}
    assert all(len(place) == 1 for place in places.values()) and len(set.union(*places.values())) == 5


def test_an_image_that_comes_twice_counts_once(caplog):
    loader = [(IMAGES, LABELS), (IMAGES[:2], LABELS[:2])]
    images = listed(loader)
    assert len(images) == 10
    assert sum(len(metas) for _, metas in images.batches(WHOLE, '')) == 10


class Changing:
    """Another loader for every pass."""

    def __init__(self, *passes):
        self.passes = list(passes)

    def __iter__(self):
        return iter(self.passes.pop(0) if len(self.passes) > 1 else self.passes[0])


def test_random_augmentation_is_noticed():
    same = [(IMAGES, LABELS)]
    images = listed(Changing([], same, [(IMAGES + 1e-3, LABELS)]))
    with pytest.raises(ValueError, match=r'Image 0 of the loader \(batch 0\) was not among the 10 images.*random aug'):
        keys_of(images)


def test_dropped_images_are_noticed():
    images = listed(Changing([], [(IMAGES, LABELS)], [(IMAGES[:8], LABELS[:8])]))
    with pytest.raises(ValueError, match='left out 2 of the 10 images.*drop_last'):
        keys_of(images)


@pytest.mark.parametrize('loader, options, error, message', [
    (iter([(IMAGES, LABELS)]), {}, TypeError, 'several times.*list_iterator'),
    ([], {}, ValueError, 'gives no image'),
    (small_loader(IMAGES, LABELS), dict(groups=[0, 1]), ValueError, 'groups has 2 entries, and the loader gives 10'),
    (small_loader(IMAGES, LABELS, shuffle=True), dict(groups=range(10)), ValueError, 'shuffle=False'),
])
def test_what_cannot_be_listed_is_named(loader, options, error, message):
    with pytest.raises(error, match=message):
        listed(loader, **options)


def test_labels_are_checked_before_anything_is_computed():
    wrong = LABELS.clone()
    wrong[9, 8, 8] = 7
    with pytest.raises(ValueError, match='Image 9 of the loader.*labels 7 at 1 of 320 pixels, expected 0 to 2'):
        listed([(IMAGES, wrong)])
    assert torch.equal(LABELS[9], small_images(10)[1][9])
