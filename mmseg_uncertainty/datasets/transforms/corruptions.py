"""Corrupt images the way the common-corruptions benchmark does."""
from __future__ import annotations

import hashlib
from importlib.util import find_spec
from pathlib import PurePath

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS
from PIL import Image

CORRUPTIONS = ('gaussian_noise', 'shot_noise', 'impulse_noise', 'defocus_blur', 'glass_blur', 'motion_blur',
               'zoom_blur', 'snow', 'frost', 'fog', 'brightness', 'contrast', 'elastic_transform', 'pixelate', 'jpeg_compression',
               'speckle_noise', 'gaussian_blur', 'spatter', 'saturate')
SEEDED_BY_ARGUMENT = ('glass_blur', 'impulse_noise')
MAX_SEVERITY = 5


@TRANSFORMS.register_module()
class Corruptions(BaseTransform):
    """Corrupt the image; a step for right after loading, before resizing and normalization.

    Hendrycks and Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations", ICLR
    2019, as implemented by ``imagecorruptions``. The random numbers of an image depend on its file name, the
    corruption, its severity and ``seed`` alone, so the order of images, the number of workers and repeated runs do not
    change the result. Labels stay as they are, though ``elastic_transform`` moves the content by a few pixels.

    Args:
        corruption: One of :data:`CORRUPTIONS`.
        severity: 0 leaves the image untouched; 1 (mild) to 5 (severe) corrupt it.
        seed: Another seed draws other random numbers for every image.

    Raises:
        ValueError: If the corruption is unknown or the severity is out of range.
        ModuleNotFoundError: If the image is to be corrupted and ``imagecorruptions`` is not installed.
    """

    def __init__(self, corruption: str, severity: int = 1, seed: int = 0) -> None:
        if corruption not in CORRUPTIONS:
            raise ValueError(f'Corruptions: corruption={corruption!r} is unknown; choose from '
                             f'{", ".join(CORRUPTIONS)}.')
        if severity not in range(MAX_SEVERITY + 1):
            raise ValueError(f'Corruptions: severity={severity!r} is out of range; choose an integer from 0 '
                             f'(untouched) to {MAX_SEVERITY} (severe).')
        if severity and find_spec('imagecorruptions') is None:
            raise ModuleNotFoundError('Corruptions needs imagecorruptions, which is not installed. Run `pip install '
                                      '"mmseg_uncertainty[corruptions]"`.', name='imagecorruptions')
        self.corruption = corruption
        self.severity = int(severity)
        self.seed = seed

    def transform(self, results: dict) -> dict:
        """Corrupt ``results['img']``, shape (H, W, 3), uint8, BGR."""
        if self.severity:
            seed = self.image_seed(results.get('img_path') or '')
            image = np.ascontiguousarray(results['img'][..., ::-1])
            corrupted = corrupt(image, self.corruption, self.severity, seed)
            results['img'] = np.ascontiguousarray(corrupted[..., ::-1])
        return results

    def image_seed(self, path: str) -> int:
        """Seed of one image, from 0 to 2³² − 1; only the file's name counts, not its folder."""
        key = f'{PurePath(path).name}/{self.corruption}/{self.severity}/{self.seed}'
        return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4], 'little')

    def __repr__(self) -> str:
        return f'{type(self).__name__}(corruption={self.corruption!r}, severity={self.severity}, seed={self.seed})'


def corrupt(image: np.ndarray, corruption: str, severity: int, seed: int) -> np.ndarray:
    """Corrupt one RGB image and leave numpy's global random state as it was.

    Args:
        image: Shape (H, W, 3), uint8, RGB.
        corruption: One of :data:`CORRUPTIONS`.
        severity: From 1 to 5.
        seed: Seed of the random numbers, from 0 to 2³² − 1.

    Returns:
        Shape (H, W, 3), uint8, RGB.
    """
    # Imported late: it compiles with numba, which costs seconds that runs without corruption need not pay.
    from imagecorruptions import corruption_dict

    own_seed = {'seed': seed} if corruption in SEEDED_BY_ARGUMENT else {}
    state = np.random.get_state()
    np.random.seed(seed)
    try:
        with np.errstate(invalid='ignore'):
            corrupted = corruption_dict[corruption](Image.fromarray(image), severity, **own_seed)
    finally:
        np.random.set_state(state)
    corrupted = np.asarray(corrupted, dtype=np.float64)
    # Spatter divides by its brightest drop, which a tiny image may lack.
    return np.where(np.isnan(corrupted), image, corrupted).astype(np.uint8)
