import pytest
import torch

from mmseg_uncertainty.models.set_heads import KandinskyHead
from mmseg_uncertainty.structures import FrozenOutputs

NUM_CLASSES, SIZE = 3, (18, 24)


def batch(num_images, seed=0, top_noise=4.0):
    """Images whose upper half is much noisier than the lower half."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(NUM_CLASSES, (num_images, *SIZE), generator=generator)
    noise = torch.full(SIZE, 0.6)
    noise[:SIZE[0] // 2] = top_noise
    signal = 3 * torch.nn.functional.one_hot(labels, NUM_CLASSES).permute(0, 3, 1, 2)
    return signal + noise * torch.randn(signal.shape, generator=generator), labels


def fit(logits, labels, batch_size=16, **options):
    head = KandinskyHead(NUM_CLASSES, grid=(6, 12), **options)
    for stage in range(head.stages):
        head.start_stage(stage)
        for start in range(0, len(logits), batch_size):
            part = slice(start, start + batch_size)
            metas = [dict(img_path=f'frame_{index:04d}.png') for index in range(len(logits))[part]]
            head.update(FrozenOutputs(logits[part], logits[part], None), labels[part], metas)
        head.merge_ranks()
        head.finish_stage(stage)
    return head


def coverage_of_halves(head, logits, labels):
    covered = head(logits.softmax(1)).gather(1, labels.unsqueeze(1))[:, 0].double()
    return covered[:, :SIZE[0] // 2].mean().item(), covered[:, SIZE[0] // 2:].mean().item()


@pytest.mark.parametrize('grouping', ['zones', 'kmeans', 'pixel'])
def test_groups_cover_where_one_threshold_for_the_image_does_not(grouping):
    calibration, test = batch(60), batch(60, seed=1)
    options = dict(force_top=False, alpha=0.1)
    image = coverage_of_halves(fit(*calibration, grouping='image', **options), *test)
    grouped = coverage_of_halves(fit(*calibration, grouping=grouping, num_groups=2, zones=(2, 1), **options), *test)
    assert image[0] < 0.86 and image[1] > 0.94
    assert all(abs(coverage - 0.9) < 0.02 for coverage in grouped)


@pytest.mark.parametrize('grouping', ['kmeans', 'annuli'])
def test_learned_groups_do_not_depend_on_batches(grouping):
    images = batch(12)
    heads = [fit(*images, grouping=grouping, num_groups=2, batch_size=size) for size in (3, 12)]
    for name, value in heads[0].state_dict().items():
        assert torch.equal(value, heads[1].state_dict()[name]), name


def test_the_state_stays_small():
    head = fit(*batch(12), grouping='kmeans')
    assert sum(value.numel() * value.element_size() for value in head.state_dict().values()) < 1e5


def test_risk_control_on_top_promises_an_image_level_risk():
    head = fit(*batch(150), grouping='zones', zones=(2, 1), alpha=0.3, risk=dict(alpha=0.05))
    assert head.odds < 1
    logits, labels = batch(80, seed=2)
    covered = head(logits.softmax(1)).gather(1, labels.unsqueeze(1))[:, 0].double().mean((1, 2))
    assert 0.93 <= covered.mean() <= 0.975


def test_a_class_without_scores_is_always_contained():
    logits, labels = batch(30)
    labels[labels == 2] = 255
    head = fit(logits, labels, grouping='image')
    assert head.source.tolist() == [[0, 0, 2]]
    assert head(logits.softmax(1))[:, 2].all()


def test_sets_are_empty_only_where_the_arg_max_is_not_forced():
    logits, labels = batch(30)
    assert fit(logits, labels, grouping='image', alpha=0.5)(logits.softmax(1)).any(1).all()
    assert not fit(logits, labels, grouping='image', alpha=0.5, force_top=False)(logits.softmax(1)).any(1).all()


def test_neighbouring_frames_stay_in_one_part():
    head = KandinskyHead(NUM_CLASSES, block_digits=2)
    parts = [head._part(dict(img_path=f'/data/seq_{index:04d}.png')) for index in range(400)]
    assert all(len(set(parts[start:start + 100])) == 1 for start in range(0, 400, 100))
    spread = [KandinskyHead(NUM_CLASSES)._part(dict(img_path=f'{index}.png')) for index in range(400)]
    assert set(spread) == {0, 1}


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="grouping='rings' is unknown"):
        KandinskyHead(NUM_CLASSES, grouping='rings')
    with pytest.raises(RuntimeError, match='no thresholds yet'):
        KandinskyHead(NUM_CLASSES)(torch.rand(1, NUM_CLASSES, 4, 4))
    with pytest.raises(ValueError, match='no calibration image fell to the part for'):
        fit(*batch(1), grouping='kmeans')
