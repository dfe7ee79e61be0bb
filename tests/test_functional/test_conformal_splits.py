import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mmseg_uncertainty.functional.conformal_splits import (block_positions, block_split, check_distinct, frame_blocks,
                                                             random_split)

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


def test_any_cut_of_the_positions_divides_by_whole_blocks():
    blocks = frame_blocks(['a'] * 25 + ['b'] * 33, 10)
    positions = block_positions(blocks, seed=1)
    for share in (0.2, 0.5, 0.8):
        taken = positions < share
        assert abs(taken.mean() - share) <= 5 / len(blocks) + 1e-9
        assert not set(blocks[taken]) & set(blocks[~taken])
    assert (positions != block_positions(blocks, seed=2)).any()
    np.testing.assert_allclose(np.sort(block_positions(np.arange(4), 0)), [0.125, 0.375, 0.625, 0.875])


@pytest.mark.parametrize(('number', 'more'), [(2, ''), (3, ''), (4, ' and 1 more'), (7, ' and 4 more')])
def test_three_repeated_images_are_named_and_the_others_counted(number, more):
    names = [f'{index}.png' for index in range(number)]
    with pytest.raises(ValueError, match=rf'{min(number, 3) - 1}.png \(2 times\){more}\. Each'):
        check_distinct(names * 2, 'CRC')
