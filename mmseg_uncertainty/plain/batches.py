"""Reads the batches of a loader, whatever their form, and names what does not fit."""
from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor
from torch.nn import functional as F

from mmseg_uncertainty.functional.label_space import LabelSpace

IMAGES = ('pixel_values', 'images', 'image', 'inputs', 'input')
LABELS = ('labels', 'label', 'masks', 'mask', 'targets', 'target')


@dataclass(frozen=True)
class LabelledImage:
    """One image of a loader.

    Args:
        image: Normalized image as the network takes it, shape (3, H, W), floating point.
        labels: Shape (h, w), int64, 255 where there is none.
        name: What messages call it.
    """

    image: Tensor
    labels: Tensor
    name: str

    def key(self) -> str:
        """Digest of image and labels: the same in every pass and at every place."""
        digest = hashlib.blake2b(digest_size=16)
        for part in (self.image, self.labels):
            digest.update(f'{part.dtype}{tuple(part.shape)}'.encode())
            digest.update(part.detach().cpu().contiguous().view(torch.uint8).numpy().tobytes())
        return digest.hexdigest()


def labelled_images(loader: Iterable, space: LabelSpace) -> Iterator[list[LabelledImage]]:
    """The images of every batch of a loader.

    Args:
        loader: Batches ``(images, labels)``, or dicts with a key out of :data:`IMAGES` and one out of :data:`LABELS`. Images
            have the shape (N, 3, H, W), labels (N, h, w) or (N, 1, h, w) at any size; lists hold one of each per image.
        space: What labels may be.

    Raises:
        TypeError: A batch has another form.
        ValueError: Images and labels do not fit together, or a label is unknown.
    """
    count = 0
    for index, batch in enumerate(loader):
        images, labels = _pair(batch, f'Batch {index}')
        images, labels = image_list(images, f'Batch {index}'), _label_list(labels, f'Batch {index}')
        if len(images) != len(labels):
            raise ValueError(f'Batch {index} holds {len(images)} images and {len(labels)} label maps; expected as many.')
        names = [f'Image {count + place} of the loader (batch {index})' for place in range(len(images))]
        yield [LabelledImage(image, space.checked(label, name), name) for image, label, name in zip(images, labels, names)]
        count += len(images)


def bare_images(loader: Iterable) -> Iterator[Tensor]:
    """Images of a loader that needs no labels, each of shape (3, H, W).

    Args:
        loader: Batches of images (N, 3, H, W), or batches as :func:`labelled_images` takes them, whose labels are not read.

    Raises:
        TypeError: A batch holds no images.
    """
    for index, batch in enumerate(loader):
        if isinstance(batch, Mapping):
            key = next((key for key in IMAGES if key in batch), None)
            if key is None:
                raise TypeError(f'Batch {index} has the keys {sorted(map(str, batch))}; expected images under one of {IMAGES}.')
            batch = batch[key]
        elif isinstance(batch, (tuple, list)) and len(batch) and isinstance(batch[0], Tensor) and batch[0].dim() == 4:
            batch = batch[0]
        yield from image_list(batch, f'Batch {index}')


def image_list(images: Any, name: str) -> list[Tensor]:
    """Images of one batch, each of shape (3, H, W).

    Raises:
        TypeError: They are no normalized images.
    """
    images = list(images) if isinstance(images, (list, tuple)) else images
    if isinstance(images, Tensor) and images.dim() != 4:
        raise TypeError(f'{name}: images have the shape {tuple(images.shape)}, expected (N, 3, H, W).')
    images = [torch.as_tensor(image) for image in images]
    for image in images:
        if image.dim() != 3 or not image.is_floating_point():
            raise TypeError(f'{name}: an image has the shape {tuple(image.shape)} and the type {image.dtype}, expected '
                            '(3, H, W) in floating point, normalized as the network expects it.')
    return images


def same_shapes(images: Sequence[LabelledImage]) -> Iterator[list[int]]:
    """Places of the images that go through the network together: those of one size with labels of one size."""
    places: dict[tuple, list[int]] = {}
    for place, one in enumerate(images):
        places.setdefault((one.image.shape, one.labels.shape), []).append(place)
    return iter(places.values())


def network_input(images: Sequence[Tensor], divisor: int, device: torch.device,
                  sizes: Sequence[tuple[int, int]]) -> tuple[Tensor, list[SegDataSample]]:
    """Images of one size as one batch, padded to what the network needs, and samples that know it.

    Args:
        images: Each of shape (3, H, W).
        divisor: Height and width become multiples of it.
        device: Where the network is.
        sizes: Size of the result for each image.
    """
    inputs = torch.stack(list(images)).to(device)
    height, width = inputs.shape[-2:]
    bottom, right = -height % divisor, -width % divisor
    if bottom or right:
        inputs = F.pad(inputs, (0, right, 0, bottom))
    padded = tuple(inputs.shape[-2:])
    meta = dict(img_shape=padded, pad_shape=padded, img_padding_size=(0, right, 0, bottom))
    return inputs, [SegDataSample(metainfo=dict(meta, ori_shape=tuple(size))) for size in sizes]


def labelled_input(images: Sequence[LabelledImage], divisor: int,
                   device: torch.device) -> tuple[Tensor, list[SegDataSample], Tensor]:
    """Labelled images of the same shapes as one batch; see :func:`network_input`.

    Returns:
        Inputs (N, 3, H', W'), their samples with labels, and labels (N, h, w) on the device.
    """
    sizes = [tuple(one.labels.shape) for one in images]
    inputs, samples = network_input([one.image for one in images], divisor, device, sizes)
    labels = torch.stack([one.labels for one in images]).to(device)
    for sample, label in zip(samples, labels):
        sample.gt_sem_seg = PixelData(data=label[None])
    return inputs, samples, labels


def _pair(batch: Any, name: str) -> tuple[Any, Any]:
    if isinstance(batch, Mapping):
        keys = [next((key for key in known if key in batch), None) for known in (IMAGES, LABELS)]
        if None in keys:
            hint = ' Masks of single objects are none: give the map of classes as labels.' if 'mask_labels' in batch else ''
            raise TypeError(f'{name} has the keys {sorted(map(str, batch))}; expected images under one of {IMAGES} and '
                            f'label maps under one of {LABELS}.{hint}')
        return batch[keys[0]], batch[keys[1]]
    if not isinstance(batch, (tuple, list)) or len(batch) < 2:
        raise TypeError(f'{name} is a {type(batch).__name__}, expected (images, labels) or a dict such as '
                        'dict(pixel_values=…, labels=…).')
    return batch[0], batch[1]


def _label_list(labels: Any, name: str) -> list[Tensor]:
    parts = [torch.as_tensor(part) for part in labels]
    flat = [part[0] if part.dim() == 3 and len(part) == 1 else part for part in parts]
    if any(part.dim() != 2 for part in flat):
        raise TypeError(f'{name}: label maps have the shapes {[tuple(part.shape) for part in parts]}, expected (h, w) each: '
                        'one class index per pixel.')
    return flat
