import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmseg_uncertainty.functional.conformal_splits import block_split, frame_blocks, random_split

sequences = st.lists(st.sampled_from(['a', 'b', 'c']), min_size=1, max_size=40)


@given(st.integers(0, 50), st.floats(0, 1), st.integers(0, 100))
def test_random_splits_part_the_images(num_images, share, seed):
    calibration, test = random_split(num_images, int(share * num_images), seed)
    assert len(calibration) == int(share * num_images)
    np.testing.assert_array_equal(np.sort(np.concatenate([calibration, test])), np.arange(num_images))


@given(sequences, st.integers(1, 10))
def test_blocks_hold_neighbours_of_one_sequence(names, length):
    blocks = frame_blocks(names, length)
    for block in np.unique(blocks):
        members = np.flatnonzero(blocks == block)
        assert len({names[index] for index in members}) == 1 and len(members) <= length
        same = [index for index, name in enumerate(names) if name == names[members[0]]]
        positions = [same.index(index) for index in members]
        assert positions == list(range(positions[0], positions[0] + len(members)))


@given(sequences, st.integers(1, 10), st.floats(0, 1), st.integers(0, 100))
def test_block_splits_never_part_a_block(names, length, share, seed):
    blocks, wanted = frame_blocks(names, length), int(share * len(names))
    calibration, test = block_split(blocks, wanted, seed)
    np.testing.assert_array_equal(np.sort(np.concatenate([calibration, test])), np.arange(len(names)))
    assert not set(blocks[calibration]) & set(blocks[test])
    assert abs(len(calibration) - wanted) <= length / 2


def test_a_block_without_length_is_refused():
    with pytest.raises(ValueError, match='length=0'):
        frame_blocks(['a'], 0)
