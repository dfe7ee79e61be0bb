"""Makes augmentations reproducible across workers, restarts and orders of loading."""
from __future__ import annotations

import random

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from mmseg_uncertainty.datasets.samplers import Draw


@TRANSFORMS.register_module()
class SeedAugmentations(BaseTransform):
    """Seed the random numbers of the following steps by the draw; the first step of a training pipeline.

    Args:
        views: How many augmented views of each image there are; ``None`` augments every draw anew. With a number, the
            outputs of a frozen base model fit into a cache however long the training and whatever its seed.

    Raises:
        ValueError: ``views`` is not positive, or the sampler does not number its draws.
    """

    def __init__(self, views: int | None = None) -> None:
        if views is not None and views < 1:
            raise ValueError(f'SeedAugmentations: views={views} must be at least 1, or None for a new view per draw.')
        self.views = views

    def transform(self, results: dict) -> dict:
        """Seed ``numpy`` and ``random``; the sample passes untouched."""
        draw = results.get('sample_idx')
        if not isinstance(draw, Draw):
            raise ValueError('SeedAugmentations needs draws with seeds: set sampler=dict(type=\'NumberedInfiniteSampler\') '
                             f'in the training dataloader, found the plain index {draw!r}.')
        seed = draw.seed if self.views is None else hash((int(draw), draw.seed % self.views)) % 2**32
        np.random.seed(seed)
        random.seed(seed)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(views={self.views})'
