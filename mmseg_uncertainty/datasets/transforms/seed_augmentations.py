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

    Raises:
        ValueError: The sampler does not number its draws.
    """

    def transform(self, results: dict) -> dict:
        """Seed ``numpy`` and ``random``; the sample passes untouched."""
        draw = results.get('sample_idx')
        if not isinstance(draw, Draw):
            raise ValueError('SeedAugmentations needs draws with seeds: set sampler=dict(type=\'NumberedInfiniteSampler\') '
                             f'in the training dataloader, found the plain index {draw!r}.')
        np.random.seed(draw.seed)
        random.seed(draw.seed)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'
