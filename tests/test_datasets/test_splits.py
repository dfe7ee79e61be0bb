import pytest

from mmseg_uncertainty.datasets.dataset_error import DatasetError
from mmseg_uncertainty.datasets.scene_overlap import shared_scenes
from mmseg_uncertainty.datasets.splits import split_samples


def frames(count=100):
    return [dict(img_path=f'{index}.png', sequence='a' if index < 40 else 'b') for index in range(count)]


@pytest.mark.parametrize('by', ['sequence', 'block', 'image'])
def test_parts_are_disjoint_and_complete(by):
    parts = [split_samples(frames(), part, by, block_length=10) for part in ('calibration', 'test')]
    names = [sample['img_path'] for part in parts for sample in part]
    assert sorted(names) == sorted(sample['img_path'] for sample in frames())
    assert all(part == sorted(part, key=lambda sample: int(sample['img_path'][:-4])) for part in parts)


@pytest.mark.parametrize('by', ['sequence', 'block', 'image'])
def test_parts_share_no_scene(by):
    parts = [[sample['scene'] for sample in split_samples(frames(), part, by)] for part in ('calibration', 'test')]
    assert not shared_scenes(*parts) and shared_scenes(parts[0], ['a', 'b'])


def test_sequences_are_never_cut():
    parts = [{sample['sequence'] for sample in split_samples(frames(), part, 'sequence')} for part in ('calibration', 'test')]
    assert not parts[0] & parts[1]


def test_blocks_are_runs_of_frames():
    chosen = [int(sample['img_path'][:-4]) for sample in split_samples(frames(), 'calibration', block_length=10)]
    assert len(chosen) == 50 and all(first % 10 == 0 for first in chosen[::10])
    assert all(chosen[index] + 1 == chosen[index + 1] for index in range(49) if index % 10 != 9)


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="part='train' must be one of"):
        split_samples(frames(), 'train')
    with pytest.raises(DatasetError, match='does not know sequences'):
        split_samples([dict(img_path=f'{index}.png') for index in range(4)], 'test')
    with pytest.raises(DatasetError, match='no image is left for the test part'):
        split_samples(frames(30), 'test', 'sequence', share=0.9)
    with pytest.raises(DatasetError, match='come more than once: 3.png'):
        split_samples(frames(20) + frames(20)[3:4], 'test')
