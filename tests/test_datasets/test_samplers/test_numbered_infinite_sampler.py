"""Draws and what follows from them do not depend on how a run got there."""
import itertools
import pickle

import numpy as np
import pytest
from mmengine.dataset import BaseDataset, ConcatDataset, InfiniteSampler

from mmseg_uncertainty.datasets import NumberedInfiniteSampler, SeedAugmentations


def draws(sampler, count):
    return [(int(draw), draw.seed) for draw in itertools.islice(iter(sampler), count)]


@pytest.mark.parametrize('skipped', [0, 1, 7, 23])
def test_skipping_equals_drawing(skipped):
    whole = draws(NumberedInfiniteSampler(range(5), seed=1), 30)
    resumed = NumberedInfiniteSampler(range(5), seed=1)
    resumed.skip(skipped)
    assert draws(resumed, 30 - skipped) == whole[skipped:]


def test_every_draw_of_an_image_has_its_own_seed():
    seeds = [seed for _, seed in draws(NumberedInfiniteSampler(range(3), seed=1), 300)]
    assert len(set(seeds)) == 300


def test_a_draw_survives_the_way_to_a_worker():
    draw = next(iter(NumberedInfiniteSampler(range(5), seed=1)))
    copy = pickle.loads(pickle.dumps(draw))
    assert copy == draw and copy.seed == draw.seed


def test_augmentations_follow_the_draw():
    draw = next(iter(NumberedInfiniteSampler(range(5), seed=1)))
    numbers = []
    for disturbance in (0, 1):
        np.random.seed(disturbance)
        SeedAugmentations()(dict(sample_idx=draw))
        numbers.append(np.random.rand())
    assert numbers[0] == numbers[1]


def test_the_later_of_two_datasets_knows_the_draw():
    class Echo(BaseDataset):
        METAINFO = dict(classes=())

        def load_data_list(self):
            return [{} for _ in range(3)]

        def __getitem__(self, index):
            return index

    both = ConcatDataset([Echo(), Echo()])
    draws = list(itertools.islice(iter(NumberedInfiniteSampler(range(6), seed=1)), 20))
    for draw in draws:
        assert both[draw] == draw % 3 and both[draw].seed == draw.seed
    assert {int(draw) for draw in draws} == set(range(6))


def test_a_plain_sampler_is_named():
    with pytest.raises(ValueError, match='NumberedInfiniteSampler'):
        SeedAugmentations()(dict(sample_idx=3))


def test_a_position_is_reached_on_either_mmengine(monkeypatch):
    expected = list(itertools.islice(iter(NumberedInfiniteSampler(range(5), seed=1)), 12))[7:]
    for upstream in (False, True):
        if upstream:
            monkeypatch.delattr(InfiniteSampler, 'skip', raising=False)
        sampler = NumberedInfiniteSampler(range(5), seed=1)
        next(iter(sampler))
        sampler.skip(7)
        draws = list(itertools.islice(iter(sampler), 5))
        assert [(int(draw), draw.seed) for draw in draws] == [(int(draw), draw.seed) for draw in expected]
