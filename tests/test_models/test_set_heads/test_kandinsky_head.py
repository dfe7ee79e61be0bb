import pytest
import torch

from mmseg_uncertainty.models.set_heads import KandinskyHead, kandinsky_head
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


@pytest.mark.parametrize('grouping', ['image', 'zones', 'kmeans', 'annuli', 'fourier', 'pixel'])
def test_the_state_stays_small_whatever_the_image(grouping):
    head = KandinskyHead(19, grouping=grouping, risk=dict(alpha=0.1))
    for stage in range(head.stages):
        head.start_stage(stage)
        for index in range(8):
            labels = torch.randint(19, (1, 64, 128), generator=torch.Generator().manual_seed(index))
            logits = torch.rand(1, 19, 64, 128)
            head.update(FrozenOutputs(logits, logits, None), labels, [dict(img_path=f'{index}.png')])
        head.merge_ranks()
        head.finish_stage(stage)
    assert sum(value.numel() * value.element_size() for value in head.state_dict().values()) < 1e6


def test_one_sigmoid_channel_per_class_is_calibrated_as_any_probability():
    logits, labels = batch(60)
    head = fit(logits - 1.5, labels, grouping='zones', zones=(2, 1), alpha=0.1, activation='sigmoid', force_top=False)
    test = batch(60, seed=1)
    covered = head(head.probabilities(test[0] - 1.5)).gather(1, test[1].unsqueeze(1)).double().mean()
    assert abs(covered - 0.9) < 0.02
    assert torch.equal(head.probabilities(logits), logits.sigmoid())


def test_a_published_head_is_loaded_whatever_the_image_size():
    images = batch(40)
    head = fit(*images, grouping='kmeans', num_groups=2, variant='published')
    loaded = KandinskyHead(NUM_CLASSES, grouping='kmeans', num_groups=2, variant='published', grid=(6, 12))
    loaded.load_state_dict(head.state_dict())
    probabilities = images[0].softmax(1)
    assert torch.equal(head(probabilities), loaded(probabilities))
    assert head.released.groups.shape == SIZE and len(head.released.curves) == 100


def test_published_sets_know_their_limits():
    with pytest.raises(ValueError, match='promises no risk'):
        KandinskyHead(NUM_CLASSES, variant='published', risk=dict(alpha=0.1))
    with pytest.raises(ValueError, match="not 'annuli'"):
        KandinskyHead(NUM_CLASSES, grouping='annuli', variant='published')
    with pytest.raises(ValueError, match='never show class 1'):
        fit(*batch(2), grouping='kmeans', variant='published')
    head = fit(*batch(20), grouping='pixel', variant='published')
    with pytest.raises(ValueError, match=r'fitted on images of \(18, 24\) pixels'):
        head(torch.rand(1, NUM_CLASSES, 9, 9))


def test_images_of_void_only_give_all_classes():
    logits, labels = batch(30)
    head = fit(logits, torch.full_like(labels, 255), grouping='image', risk=dict(alpha=0.1))
    assert (head.source == 2).all() and head(logits.softmax(1)).all()


def test_risk_control_on_top_promises_an_image_level_risk():
    head = fit(*batch(150), grouping='zones', zones=(2, 1), alpha=0.3, risk=dict(alpha=0.05))
    assert head.odds < 1
    logits, labels = batch(80, seed=2)
    covered = head(logits.softmax(1)).gather(1, labels.unsqueeze(1))[:, 0].double().mean((1, 2))
    assert 0.93 <= covered.mean() <= 0.975


def risk_images(head, count):
    """Which of the images that :func:`fit` names fell to the part for the risk."""
    return [index for index in range(count) if head._part(dict(img_path=f'frame_{index:04d}.png')) == len(head.steps) - 1]


def missed(head, logits, labels):
    return 1 - head(logits.softmax(1)).gather(1, labels.unsqueeze(1))[:, 0].double().mean((1, 2)).mean().item()


@pytest.mark.parametrize('alpha, risk, force_top', [
    (0.3, 0.05, True), (0.02, 0.17, True), (0.1, 0.1, True), (0.3, 0.05, False), (0.02, 0.5, False), (0.01, 0.9, False)])
def test_the_risk_allowed_is_used_up_and_not_exceeded(alpha, risk, force_top):
    """Both sides, on the images of the risk itself: sets lose what they may, and with any larger factor they lose too
    much."""
    for seed in range(6):
        logits, labels = batch(90, seed)
        head = fit(logits, labels, grouping='zones', zones=(2, 1), alpha=alpha, risk=dict(alpha=risk), force_top=force_top)
        own = risk_images(head, len(logits))
        allowed = risk - (1 - risk) / len(own)
        assert missed(head, logits[own], labels[own]) <= allowed + 1e-12
        head.odds *= 1.05
        assert missed(head, logits[own], labels[own]) > allowed


def test_images_of_steps_that_do_not_occur_are_used_by_the_others():
    head = KandinskyHead(NUM_CLASSES, grouping='image', risk=dict(alpha=0.1), shares=(0.5, 2.0, 1.0))
    assert head.shares == dict(thresholds=2.0, risk=1.0)
    parts = [head._part(dict(calibration_position=position)) for position in (0.0, 0.65, 0.68, 0.999)]
    assert parts == [0, 0, 1, 1]
    logits, labels = batch(30)
    seen = 0
    for stage in range(head.stages):
        head.start_stage(stage)
        metas = [dict(img_path=f'{index}.png', calibration_position=index / 30) for index in range(30)]
        head.update(FrozenOutputs(logits, logits, None), labels, metas)
        head.merge_ranks()
        head.finish_stage(stage)
        seen += int(head.images)
    assert seen == 30


def test_a_class_without_scores_stays_contained_whatever_the_risk_allows():
    logits, labels = batch(60)
    labels[labels == 2] = 255
    head = fit(logits, labels, grouping='image', risk=dict(alpha=0.999))
    assert head.odds == torch.inf
    assert head(logits.softmax(1))[:, 2].all()


def test_broken_probabilities_are_refused_in_every_step_and_in_prediction():
    logits, labels = batch(30)
    head = fit(logits, labels, grouping='kmeans', num_groups=2, risk=dict(alpha=0.3))
    for stage in range(3):
        spoiled = logits.clone()
        parts = [head._part(dict(img_path=f'frame_{index:04d}.png')) for index in range(30)]
        spoiled[torch.tensor(parts) == stage, 0, 3, 3] = torch.nan
        with pytest.raises(ValueError, match=r'probabilities of frame_\d+.png are NaN'):
            fit(spoiled, labels, grouping='kmeans', num_groups=2, risk=dict(alpha=0.3))
    with pytest.raises(ValueError, match='are NaN'):
        head(spoiled.softmax(1))
    with pytest.raises(ValueError, match='are NaN'):
        fit(spoiled, labels, grouping='image', variant='published')


def test_an_image_counts_once_in_a_step_and_comes_again_in_the_next():
    logits, labels = batch(30)
    assert fit(logits, labels, grouping='kmeans', num_groups=2).stages == 2
    head = KandinskyHead(NUM_CLASSES, grouping='image')
    head.start_stage(0)
    with pytest.raises(ValueError, match='come more than once: a.png'):
        head.update(FrozenOutputs(logits[:2], logits, None), labels[:2], [dict(img_path='a.png')] * 2)


def test_classes_with_too_few_scores_are_told_how_many_would_do(monkeypatch):
    said = []
    monkeypatch.setattr(kandinsky_head, 'print_log', lambda message, *_: said.append(message))
    logits, labels = batch(30)
    labels[labels == 2] = 255
    fit(logits, labels, grouping='image', alpha=0.02)
    assert any('fewer than 49 scores' in line and 'classes [2]' in line for line in said)


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


def test_images_are_divided_by_position_or_by_name():
    head = KandinskyHead(NUM_CLASSES, shares=(0.25, 0.75, 1.0))
    assert [head._part(dict(calibration_position=position)) for position in (0.0, 0.24, 0.26, 0.99)] == [0, 0, 1, 1]
    parts = [head._part(dict(img_path=f'{index}.png')) for index in range(400)]
    assert 60 < parts.count(0) < 140 and parts.count(0) + parts.count(1) == 400


def test_mistakes_are_named():
    with pytest.raises(ValueError, match="grouping='rings' must be one of"):
        KandinskyHead(NUM_CLASSES, grouping='rings')
    with pytest.raises(ValueError, match='alpha=1.0 must lie strictly between 0 and 1'):
        KandinskyHead(NUM_CLASSES, alpha=1.0)
    with pytest.raises(ValueError, match='has no alpha'):
        KandinskyHead(NUM_CLASSES, risk=dict(loss='binary'))
    with pytest.raises(RuntimeError, match='no thresholds yet'):
        KandinskyHead(NUM_CLASSES)(torch.rand(1, NUM_CLASSES, 4, 4))
    with pytest.raises(ValueError, match='no calibration image fell to the part for'):
        fit(*batch(1), grouping='kmeans')


def test_without_options_a_fit_is_what_it_always_was():
    images = batch(24, top_noise=0.6)
    spelled = dict(alpha=0.1, grouping='kmeans', num_groups=4, zones=(3, 3), shares=(0.3, 0.4, 0.3), prior=100.0, bits=6,
                   force_top=True, risk=None, seed=0, variant='exact')
    default, told = fit(*images), fit(*images, **spelled)
    for name, value in told.state_dict().items():
        assert torch.equal(value, default.state_dict()[name]), name
    for other in (dict(seed=1), dict(bits=7)):
        assert any((value != default.state_dict()[name]).any() for name, value in fit(*images, **other).state_dict().items())


def test_of_two_classes_the_published_head_clusters_the_second():
    assert KandinskyHead(2, variant='published').released.foreground == 1
