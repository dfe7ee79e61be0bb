"""A small tree laid out as Stanford 2D-3D-S."""
import json

import numpy as np
from PIL import Image

CLASSES = ['<UNK>', 'beam', 'board', 'bookcase', 'ceiling', 'chair', 'clutter', 'column', 'door', 'floor', 'sofa', 'table',
           'wall', 'window']
NAMES = ['<UNK>_0_<UNK>_0_0'] + [f'{CLASSES[1 + index % 13]}_{index}_office_1_{index}' for index in range(299)]
MISSING = (13, 13, 13)
SIZE = (32, 36)


def write_indoor_scenes(root, areas=('1', '5a', '5b'), frames=4):
    """Write frames in two rooms per area; return the classes of every label file."""
    (root / 'assets').mkdir(parents=True)
    (root / 'assets/semantic_labels.json').write_text(json.dumps(NAMES))
    rng = np.random.default_rng(0)
    expected = {}
    for area in areas:
        for frame in range(frames):
            name = f'camera_{rng.integers(16**8):08x}_{"office_1" if frame % 2 else "hallway_2"}_frame_{frame}_domain'
            numbers = rng.integers(0, len(NAMES), SIZE)
            colors = np.stack([numbers >> 16, numbers >> 8 & 255, numbers & 255], -1).astype(np.uint8)
            colors[0, :5] = MISSING
            classes = np.where(numbers > 0, 1 + (numbers - 1) % 13, 0)
            classes[0, :5] = 0
            image = rng.integers(0, 256, (*SIZE, 3), dtype=np.uint8)
            for folder, array in (('rgb', image), ('semantic', colors)):
                path = root / f'area_{area}/data/{folder}/{name}_{folder}.png'
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(array).save(path)
            expected[path.name] = classes
    return expected
