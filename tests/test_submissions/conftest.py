"""Images of two frames, scores and classes for them."""
import numpy as np
import pytest

from mmseg_uncertainty.submissions.frames import frames_in
from tests.test_datasets.small_files import write_image

SIZE = (12, 20)


@pytest.fixture
def frames(tmp_path):
    for name in ('b', 'a'):
        write_image(tmp_path / f'images/{name}.png', SIZE)
    return frames_in(tmp_path / 'images')


@pytest.fixture
def predict():
    """Scores and classes of a frame, the same whenever it is asked for; counts its calls."""
    def of(frame):
        of.calls.append(frame.name)
        random = np.random.default_rng(sum(frame.name.encode()))
        return random.random(SIZE, dtype=np.float32), random.integers(0, 19, SIZE)

    of.calls = []
    return of
