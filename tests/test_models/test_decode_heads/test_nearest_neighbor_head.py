"""The memory bank is one sample of all images, in however many processes they were seen."""
from types import SimpleNamespace

import torch
from torch import nn

from mmseg_uncertainty.models.decode_heads import NearestNeighborHead, nearest_neighbor_head

K, C = 3, 6
NOTHING = SimpleNamespace(native_logits=None)


def images(seed, count):
    generator = torch.Generator().manual_seed(seed)
    return (torch.randn(count, 5, 6, C, generator=generator), torch.randint(K, (count, 5, 6), generator=generator),
            [dict(img_path=f'{seed}/{index}.png') for index in range(count)])


def seen(*parts):
    head = NearestNeighborHead(K, per_class=20, neighbor=3, feature_channels=C)
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
