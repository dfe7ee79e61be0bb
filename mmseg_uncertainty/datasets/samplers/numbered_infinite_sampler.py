"""An endless sampler that numbers its draws."""
from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from mmengine.dataset import InfiniteSampler
from mmseg.registry import DATA_SAMPLERS


class Draw(int):
    """Index of an image, with the seed of the draw that asked for it."""

    seed: int

    def __new__(cls, index: int, seed: int) -> Draw:
        draw = super().__new__(cls, index)
        draw.seed = seed
        return draw

    def __sub__(self, other: int) -> Draw:
        """Index in a later one of several concatenated datasets; the draw stays the same."""
        return Draw(int(self) - other, self.seed)

    def __reduce__(self) -> tuple:
        return Draw, (int(self), self.seed)


@DATA_SAMPLERS.register_module()
class NumberedInfiniteSampler(InfiniteSampler):
    """Yield :class:`Draw` s, so that ``SeedAugmentations`` can augment by the number of the draw alone.

    mmengine resumes a run by skipping draws without loading them, which leaves the random state of the workers behind.
    """

    _position = 0

    def __iter__(self) -> Iterator[Draw]:
        """Iterate over draws; their seeds are distinct over positions and ranks."""
        for index in self.indices:
            seed = hash((self.seed, self.rank, self._position)) % 2**32
            self._position += 1
            yield Draw(index, seed)

    def skip(self, num_samples: int) -> None:
        """Go to an absolute position; see :meth:`mmengine.dataset.InfiniteSampler.skip`."""
        if hasattr(super(), 'skip'):
            super().skip(num_samples)
        else:
            # The samplers of OpenMMLab's mmengine only go on.
            self.indices = self._indices_of_rank()
            next(islice(self.indices, num_samples, num_samples), None)
        self._position = num_samples
