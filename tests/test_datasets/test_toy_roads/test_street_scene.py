"""Laws of the rendered streets."""
import hashlib
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

import cv2
import numpy as np
import pytest

from mmseg_uncertainty.datasets.toy_roads import CLASSES, CONDITIONS, render_street_scene

SIZE = (96, 160)


def digest(key):
    image, labels = render_street_scene(key, SIZE)
    return hashlib.sha256(image.tobytes() + labels.tobytes()).hexdigest()


@pytest.mark.parametrize('size', [(32, 32), (37, 53), (160, 256), (200, 96)])
@pytest.mark.parametrize('anomalies', [False, True])
def test_shapes_types_and_label_values(size, anomalies):
    for index in range(4):
        image, labels = render_street_scene((1, index), size, anomalies)
        assert image.shape == (*size, 3) and image.dtype == np.uint8
        assert labels.shape == size and labels.dtype == np.uint8
        assert set(np.unique(labels)) <= ({0, 1, 255} if anomalies else {*range(len(CLASSES)), 255})


def test_another_process_renders_the_same():
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context('spawn')) as pool:
        assert pool.submit(digest, (0, 0, 5)).result() == digest((0, 0, 5))


def test_global_random_state_plays_no_part():
    np.random.seed(0)
    first = render_street_scene((3, ), SIZE)[0]
    state = np.random.get_state()[1].copy()
    np.random.seed(1)
    assert np.array_equal(first, render_street_scene((3, ), SIZE)[0])
    np.random.seed(0)
    assert np.array_equal(np.random.get_state()[1], state)


def test_every_class_is_there_and_none_rules():
    counts = sum(np.bincount(render_street_scene((0, 0, i), SIZE)[1].ravel(), minlength=256) for i in range(30))
    shares = counts[:len(CLASSES)] / counts.sum()
    assert shares.min() > 0.004 and shares.max() < 0.5
    assert 0 < counts[255] / counts.sum() < 0.06


def test_unknown_objects_stand_on_the_same_street():
    """Away from objects, their shadows and the reach of the blur, nothing changes."""
    for index in range(8):
        plain, _ = render_street_scene((5, index), SIZE)
        image, labels = render_street_scene((5, index), SIZE, anomalies=True)
        changed = (plain != image).any(-1)
        near = cv2.dilate((labels == 1).astype(np.uint8), np.ones((7, 7), np.uint8)) > 0
        far_rows = np.arange(SIZE[0])[:, None] < SIZE[0] * 0.3
        assert not (changed & ~near & far_rows).any()
        assert (labels == 1).mean() >= 0.0005 and changed[labels == 1].mean() > 0.8


def test_light_changes_the_image_but_not_the_labels():
    for index in range(4):
        scenes = {name: render_street_scene((7, index), SIZE, conditions=(name, )) for name in CONDITIONS}
        assert all(np.array_equal(labels, scenes['sunny'][1]) for _, labels in scenes.values())
        brightness = {name: image.mean() for name, (image, _) in scenes.items()}
        assert brightness['night'] < min(brightness['sunny'], brightness['overcast'])


def test_colours_follow_the_labels_to_the_pixel():
    """Where two classes of distant colours meet, the edge of the colours lies on the edge of the labels."""
    image, labels = render_street_scene((2, 0, 1), (160, 256), conditions=('overcast', ))
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    steep = np.abs(np.diff(grey, axis=1))
    edge = np.diff(labels.astype(int), axis=1) != 0
    shifted = np.roll(edge, 12, axis=1)
    assert steep[edge].mean() > 1.5 * steep[shifted & ~edge].mean()
