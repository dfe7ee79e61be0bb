"""The memory bank is one sample of all images, in however many processes they were seen."""
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from mmseg_uncertainty.models.decode_heads import NearestNeighborHead, nearest_neighbor_head

K, C = 3, 6
NOTHING = SimpleNamespace(native_logits=None)


def images(seed, count):
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(count, 5, 6, C, generator=generator), torch.randint(K, (count, 5, 6), generator=generator),
            [dict(img_path=f'{seed}/{index}.png') for index in range(count)])


def seen(*parts, **options):
    head = NearestNeighborHead(K, per_class=20, neighbor=3, feature_channels=C, **options)
    head.start_stage(0)
    for features, labels, metas in parts:
        head.add(features, labels, NOTHING, metas)
    return head


def sorted_bank(head):
    order = head.priority.argsort(dim=1)
    return head.priority.gather(1, order), head.bank.gather(1, order[..., None].expand_as(head.bank))


def test_one_process_keeps_what_it_has():
    head = seen(images(0, 4))
    priority, bank = (values.clone() for values in sorted_bank(head))
    assert priority.isfinite().all()
    head.merge_ranks()
    assert all(torch.equal(one, other) for one, other in zip(sorted_bank(head), (priority, bank)))


def test_two_processes_keep_what_one_would(monkeypatch):
    parts = images(0, 3), images(1, 4)
    heads = [seen(part) for part in parts]
    states = {head.bank.shape: [head.bank.clone() for head in heads] for head in heads}
    states |= {head.priority.shape: [head.priority.clone() for head in heads] for head in heads}
    monkeypatch.setattr(nearest_neighbor_head, 'all_gather', lambda values: states[values.shape])
    expected = sorted_bank(seen(*parts))
    for head in heads:
        head.merge_ranks()
        assert all(torch.equal(one, other) for one, other in zip(sorted_bank(head), expected))


def test_few_entries_are_no_neighbours_of_their_own_copies():
    """Copies of one entry would make the k-th neighbour the first."""
    features, labels, metas = images(0, 1)
    labels[:] = 255
    labels[0, 0, :3] = 0
    head = seen((features, labels, metas))
    head.merge_ranks()
    head.finish_stage(0)
    maps = features[..., :3, :].movedim(-1, 1)
    unit = nn.functional.normalize(features[0, 0, :3], dim=1)
    assert int(head.priority.isfinite().sum()) == 3
    torch.testing.assert_close(head(maps, maps)[0, 0, :3], torch.cdist(unit, unit).amax(dim=1), rtol=1e-4, atol=1e-5)


def finished(head):
    head.merge_ranks()
    head.finish_stage(0)
    return head


@pytest.mark.parametrize('labelled', [1, 30])
def test_a_bank_in_groups_holds_the_same_entries(labelled):
    """Also where it is not full, after loading, and where it is fitted once more."""
    features, labels, metas = images(0, 4)
    labels[:, labelled // 6 + 1:] = 255
    whole, sorted_one = (finished(seen((features, labels, metas), **options)) for options in ({}, dict(groups=5, probes=4)))
    pairs = [sorted(zip(head.priority.flatten().tolist(), head.bank.flatten(0, 1).tolist())) for head in (whole, sorted_one)]
    filled = int(whole.priority.isfinite().sum())
    assert pairs[0][:filled] == pairs[1][:filled]
    maps = torch.randn(2, C, 4, 5, generator=torch.Generator().manual_seed(1))
    assert (sorted_one(maps, maps) >= whole(maps, maps) - 1e-6).all()
    loaded = NearestNeighborHead(K, per_class=20, neighbor=3, feature_channels=C, groups=5, probes=4)
    loaded.load_state_dict(sorted_one.state_dict())
    assert torch.equal(loaded(maps, maps), sorted_one(maps, maps))
    loaded.start_stage(0)
    loaded.add(features, labels, NOTHING, metas)
    assert torch.equal(finished(loaded)(maps, maps), sorted_one(maps, maps))


def test_some_groups_are_not_exported_and_all_are():
    features, labels, metas = images(0, 4)
    head, whole = (finished(seen((features, labels, metas), **options)) for options in (dict(groups=5, probes=1), {}))
    maps = torch.randn(1, C, 4, 5, generator=torch.Generator().manual_seed(1))
    with pytest.raises(ValueError, match='Set probes=5'):
        torch.jit.trace(lambda features: head(features, features), maps)
    assert (head(maps, maps) - whole(maps, maps)).max() > 1e-3
    head.probes = 5
    torch.testing.assert_close(head(maps, maps), whole(maps, maps))


def test_groups_ask_for_as_many_entries():
    with pytest.raises(ValueError, match='probes=6 must lie between 1 and groups=5'):
        NearestNeighborHead(K, groups=5, probes=6)
    with pytest.raises(ValueError, match='fewer than groups=500'):
        finished(seen(images(0, 4), groups=500))
