"""The images that a wrapped network is fitted on, whatever the order in which a loader gives them."""
from __future__ import annotations

import hashlib
import logging
from collections.abc import Hashable, Iterable, Iterator, Sequence

from mmengine.logging import print_log
from torch import Tensor
from torch.utils.data import SequentialSampler
from tqdm.auto import tqdm

from mmseg_uncertainty.functional.conformal_splits import block_positions, frame_blocks
from mmseg_uncertainty.functional.label_space import LabelSpace
from mmseg_uncertainty.label_values import VOID

from .batches import LabelledImage, labelled_images

WHOLE = (0.0, 1.0)


class CalibrationImages:
    """Images of a loader, each known by its content.

    A first pass lists them and checks their labels, without the network. Every later pass must give the same images, in any
    order: a loader may shuffle, and must not augment at random or drop images. An image that comes twice counts once.

    Images are placed on [0, 1) to be divided: shuffled by their index, or by their content where the loader shuffles them.

    Args:
        loader: See :func:`~mmseg_uncertainty.plain.batches.labelled_images`.
        space: What labels may be.
        groups: Scene or sequence of every image by its index; images of one are near copies of each other and stay together.
            ``None`` divides single images.
        seed: Seed of the division.
        progress: Whether to show progress bars.

    Raises:
        TypeError: The loader can be read once only.
        ValueError: It gives no image, or ``groups`` do not fit it.

    Attributes:
        keys: Digest of each image, in the order in which they are divided.
        unit_of: Number of the scene of each image, by its digest; empty where none was given.
        positions: Place of each image on [0, 1), by its digest.
    """

    def __init__(self,
                 loader: Iterable,
                 space: LabelSpace,
                 groups: Sequence[Hashable] | None = None,
                 seed: int = 0,
                 progress: bool = True) -> None:
        if iter(loader) is loader:
            raise TypeError(f'fit reads the images several times, and {type(loader).__name__} can be read once only. Give a '
                            'DataLoader, or a list of batches.')
        self.loader, self.space, self.progress = loader, space, progress
        names: dict[str, str] = {}
        listed = [(one.key(), one.name) for images in self._read('images') for one in images]
        twice = [(name, names.setdefault(key, name)) for key, name in listed if names.setdefault(key, name) != name]
        if twice:
            print_log(f'{len(twice)} images came more than once and count once; the first is {twice[0][0]}, which equals '
                      f'{twice[0][1]}.', 'current', logging.WARNING)
        if not names:
            raise ValueError('The loader gives no image; check its dataset, and its drop_last.')
        self.shuffles = not isinstance(getattr(loader, 'sampler', SequentialSampler(())), SequentialSampler)
        self.keys = sorted(names) if self.shuffles else list(names)
        units = self._units(groups, [key for key, _ in listed])
        self.unit_of = {} if groups is None else dict(zip(self.keys, units.tolist()))
        positions = block_positions(units, seed)
        self.positions = dict(zip(self.keys, positions.tolist()))

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def digest(self) -> str:
        """SHA-256 of which images these are and how they are divided."""
        return hashlib.sha256(repr(sorted(self.positions.items())).encode()).hexdigest()

    def count(self, part: tuple[float, float]) -> int:
        """Number of images whose place lies in a part of [0, 1)."""
        return sum(part[0] <= position < part[1] for position in self.positions.values())

    def batches(self, part: tuple[float, float], title: str,
                progress: bool = True) -> Iterator[tuple[list[LabelledImage], list[dict]]]:
        """Pass over the loader; gives the images of a part and what calibrators and heads read of each as its metainfo.

        Raises:
            ValueError: The loader gives other images than in its first pass.
        """
        missing = set(self.keys)
        for images in self._read(title, progress):
            kept, metas = [], []
            for one in images:
                key = one.key()
                if key not in self.positions:
                    raise ValueError(f'{one.name} was not among the {len(self)} images of the first pass. Every pass must '
                                     'give the same images, in any order: switch off random augmentation.')
                position = self.positions[key]
                if key in missing and part[0] <= position < part[1]:
                    kept.append(one)
                    metas.append(dict(img_path=key, calibration_position=(position - part[0]) / (part[1] - part[0]),
                                      calibration_unit=self.unit_of.get(key)))
                missing.discard(key)
            if kept:
                yield kept, metas
        if missing:
            raise ValueError(f'A pass over the loader left out {len(missing)} of the {len(self)} images of its first pass. '
                             'Every pass must give all of them: switch off drop_last, and random samplers other than a '
                             'shuffle.')

    def _read(self, title: str, progress: bool = True) -> Iterator[list[LabelledImage]]:
        total = len(self.loader) if hasattr(self.loader, '__len__') else None
        with tqdm(labelled_images(self.loader, self.space), desc=title, total=total, unit='batch',
                  disable=not (self.progress and progress)) as bar:
            yield from bar

    def _units(self, groups: Sequence[Hashable] | None, listed: Sequence[str]):
        if groups is None:
            return frame_blocks(range(len(self.keys)), 1)
        if self.shuffles:
            raise ValueError('groups name the scene of every image by its index, and this loader shuffles its images; use '
                             'shuffle=False.')
        if len(groups) != len(listed):
            raise ValueError(f'groups has {len(groups)} entries, and the loader gives {len(listed)} images.')
        group_of = dict(zip(reversed(listed), reversed(list(groups))))
        return frame_blocks([group_of[key] for key in self.keys], len(listed))


class PartOfLoader:
    """The images of a part of [0, 1), in the batches of their loader.

    Args:
        images: All images.
        part: See :meth:`CalibrationImages.count`.

    Raises:
        ValueError: While iterating: the loader gives other images than in its first pass.
    """

    def __init__(self, images: CalibrationImages, part: tuple[float, float]) -> None:
        self.images, self.part = images, part

    def __iter__(self) -> Iterator[tuple[list[Tensor], list[Tensor]]]:
        # Labels go through the checks of the loader once more.
        void = self.images.space.ignore_index
        for batch, _ in self.images.batches(self.part, '', progress=False):
            yield [one.image for one in batch], [one.labels.where(one.labels != VOID, void) for one in batch]
