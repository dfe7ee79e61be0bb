"""Batches of any form become the same images, and what does not fit is named."""
import numpy as np
import pytest
import torch
from torch.testing import assert_close

from mmseg_uncertainty.functional.label_space import LabelSpace
from mmseg_uncertainty.plain.batches import labelled_images, network_input
from tests.test_plain.small_networks import small_images

IMAGES, LABELS = small_images(4)
SPACE = LabelSpace(3)


@pytest.mark.parametrize('batch', [
    (IMAGES, LABELS),
    [IMAGES, LABELS, 'more'],
    dict(pixel_values=IMAGES, labels=LABELS, pixel_mask=None),
    dict(image=list(IMAGES), mask=list(LABELS[:, None])),
    (IMAGES, LABELS[:, None].to(torch.uint8)),
    (list(IMAGES.numpy()), list(LABELS.numpy().astype(np.int16))),
])
def test_batches_of_every_form_hold_the_same_images(batch):
    found, = labelled_images([batch], SPACE)
    expected, = labelled_images([(IMAGES, LABELS)], SPACE)
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one.image, other.image) and torch.equal(one.labels, other.labels)
        assert one.key() == other.key()


def test_keys_tell_images_and_labels_apart():
    image, labels = IMAGES[:1], LABELS[:1]
    shifted, moved = labels.clone(), image.clone()
    shifted[0, -1, -1] = (shifted[0, -1, -1] + 1) % 3
    moved[0, 0, 0, 0] += 1e-6
    batches = [(image, labels), (image, shifted), (moved, labels), (image, labels[:, :8])]
    keys = [one.key() for found in labelled_images(batches, SPACE) for one in found]
    assert len(set(keys)) == 4


def test_the_ignored_label_becomes_void():
    labels = LABELS.masked_fill(LABELS == 255, 0)
    (found, *_), = labelled_images([(IMAGES, labels)], LabelSpace(3, ignore_index=1))
    assert torch.equal(found.labels, labels[0].masked_fill(labels[0] == 1, 255)) and (found.labels == 255).any()


def test_wrong_labels_are_named():
    labels = LABELS.clone()
    labels[2, 5, :4] = torch.tensor([3, 200, -1, 3])
    with pytest.raises(ValueError, match=r'Image 6 of the loader \(batch 1\): labels -1, 3, 200 at 4 of 320 pixels, expected '
                                         r'0 to 2, or 255 where there is none.*say with ignore_index which'):
        list(labelled_images([(IMAGES, LABELS), (IMAGES, labels)], SPACE))


@pytest.mark.parametrize('batch, message', [
    (IMAGES, r'Batch 0 is a Tensor, expected \(images, labels\)'),
    ((IMAGES, ), 'Batch 0 is a tuple'),
    (dict(pixel_values=IMAGES, mask_labels=[]), r"has the keys \['mask_labels', 'pixel_values'\].*map of classes"),
    ((IMAGES, LABELS / 255), 'labels are torch.float32, expected integers.*ToTensor'),
    (((IMAGES * 20).byte(), LABELS), 'torch.uint8.*normalized'),
    ((IMAGES[0], LABELS), r'images have the shape \(3, 16, 20\), expected \(N, 3, H, W\)'),
    ((IMAGES, torch.nn.functional.one_hot(LABELS % 3)), r'label maps have the shapes.*expected \(h, w\)'),
])
def test_what_is_no_batch_is_named(batch, message):
    with pytest.raises(TypeError, match=message):
        list(labelled_images([batch], SPACE))


def test_images_without_labels_are_named():
    with pytest.raises(ValueError, match='Batch 0 holds 4 images and 3 label maps'):
        list(labelled_images([(IMAGES, LABELS[:3])], SPACE))


@pytest.mark.parametrize('divisor, size', [(1, (16, 20)), (8, (16, 24)), (32, (32, 32))])
def test_inputs_are_padded_to_what_the_network_needs(divisor, size):
    inputs, samples = network_input(list(IMAGES), divisor, torch.device('cpu'), [(7, 9)] * 4)
    assert inputs.shape == (4, 3, *size) and samples[0].ori_shape == (7, 9)
    assert_close(inputs[..., :16, :20], IMAGES)
    assert samples[0].img_padding_size == (0, size[1] - 20, 0, size[0] - 16)
