"""What freezing and scoring must not change, and what it must add."""
import copy

import pytest
import torch
from mmengine.config import Config
from mmengine.runner.checkpoint import CheckpointLoader
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch.testing import assert_close

from mmseg_uncertainty.functional import entropy, msp
from mmseg_uncertainty.functional.score_filters import gaussian_smoothing
from tests.tiny import tiny_base

HEADS = dict(
    msp=dict(type='MSPHead'), entropy=dict(type='EntropyHead'), native=dict(type='MSPHead', resolution='native'),
    fedu=dict(type='FlowEneDetHead'), fedc=dict(type='FlowEneDetHead', conditional=True, condition_channels=8))
SIZE = (64, 96)


def posthoc_config(base=None, **options):
    config = copy.deepcopy(base or tiny_base())
    config.update(type='PosthocSegmentor', **options)
    return config


def build_pair(base, **options):
    torch.manual_seed(0)
    plain = MODELS.build(Config(copy.deepcopy(base))).eval()
    posthoc = MODELS.build(Config(posthoc_config(base, **options))).eval()
    state = plain.state_dict()
    assert not [key for key in posthoc.load_state_dict(state, strict=False).missing_keys
                if not key.startswith(('uncertainty_heads', 'set_head'))]
    return plain, posthoc


def samples(count, labels=False, size=SIZE, ori_shape=(50, 70)):
    result = []
    for index in range(count):
        meta = dict(img_path=f'{index}.png', ori_shape=ori_shape, img_shape=size, pad_shape=size)
        sample = SegDataSample(metainfo=meta)
        if labels:
            generator = torch.Generator().manual_seed(index)
            sample.gt_sem_seg = PixelData(data=torch.randint(0, 5, (1, *size), generator=generator))
        result.append(sample)
    return result


@pytest.mark.parametrize('mode', ['whole', 'slide'])
def test_heads_leave_logits_and_predictions_bit_identical(mode):
    plain, posthoc = build_pair(tiny_base(mode), uncertainty_heads=HEADS)
    images = torch.rand(2, 3, *SIZE)
    with torch.no_grad():
        expected, scored = plain.predict(images, samples(2)), posthoc.predict(images, samples(2))
    for one, other in zip(expected, scored):
        assert torch.equal(one.seg_logits.data, other.seg_logits.data)
        assert torch.equal(one.pred_sem_seg.data, other.pred_sem_seg.data)
        assert set(other.uncertainty.keys()) == set(HEADS)
        assert all(scores.shape == (1, 50, 70) for scores in other.uncertainty.values())


def test_scores_are_those_of_the_functional_library():
    _, posthoc = build_pair(tiny_base(), uncertainty_heads=HEADS)
    with torch.no_grad():
        sample = posthoc.predict(torch.rand(1, 3, *SIZE), samples(1))[0]
    logits = sample.seg_logits.data[None]
    assert_close(sample.uncertainty.msp, msp(logits))
    assert_close(sample.uncertainty.entropy, entropy(logits))


@pytest.mark.parametrize('names', [('msp', 'warm', 'smooth', 'both'), ('both', 'smooth', 'warm', 'msp')])
@pytest.mark.parametrize('resolution', ['output', 'native'])
def test_every_head_has_its_own_temperature_and_filters(names, resolution):
    options = dict(msp={}, warm=dict(temperature=3.), smooth=dict(filters=[dict(type='GaussianSmoothing')]),
                   both=dict(temperature=.5, filters=[dict(type='GaussianSmoothing', sigma=2.), dict(type='GaussianSmoothing')]))
    heads = {name: dict(type='MSPHead', resolution=resolution, **options[name]) for name in names}
    _, posthoc = build_pair(tiny_base(), uncertainty_heads=heads)
    images = torch.rand(1, 3, *SIZE)
    with torch.no_grad():
        sample, = posthoc.predict(images)
        logits = sample.seg_logits.data[None] if resolution == 'output' else posthoc(images)
    expected = dict(msp=msp(logits), warm=msp(logits / 3), smooth=gaussian_smoothing(msp(logits)),
                    both=gaussian_smoothing(gaussian_smoothing(msp(logits / .5), sigma=2.)))
    for name, scores in expected.items():
        scores = torch.nn.functional.interpolate(scores[None], size=SIZE, mode='bilinear')[0]
        assert_close(sample.uncertainty.get(name), scores, msg=name)


@pytest.mark.parametrize('mode', ['whole', 'slide'])
def test_a_fit_reads_the_logits_that_are_predicted(mode):
    """Each image without its own padding and flip, at the size of its labels."""
    _, posthoc = build_pair(tiny_base(mode), uncertainty_heads=dict(msp=HEADS['msp']))
    parts = samples(2, labels=True)
    for part, padding, flip in zip(parts, ([0, 16, 0, 4], [8, 8, 4, 0]), ('horizontal', 'vertical')):
        part.set_metainfo(dict(ori_shape=(50, 70), padding_size=padding, flip=True, flip_direction=flip))
        part.gt_sem_seg = PixelData(data=torch.zeros(1, 50, 70, dtype=torch.long))
    images = torch.rand(2, 3, *SIZE)
    outputs = posthoc.frozen_outputs(images, parts)
    for logits, result in zip(outputs.logits, posthoc.predict(images, parts)):
        assert torch.equal(logits, result.seg_logits.data)


def test_a_native_map_is_resized_as_logits_are():
    _, posthoc = build_pair(tiny_base(), uncertainty_heads=dict(native=HEADS['native']))
    images = torch.rand(1, 3, *SIZE)
    with torch.no_grad():
        native = msp(posthoc(images))[:, None]
        sample = posthoc.predict(images, samples(1))[0]
    for size in (SIZE, (50, 70)):
        native = torch.nn.functional.interpolate(native, size=size, mode='bilinear', align_corners=False)
    assert_close(sample.uncertainty.native, native[0])


@pytest.mark.parametrize('mode', ['whole', 'slide'])
def test_heads_of_several_sizes_score_as_each_alone(mode):
    heads = dict(HEADS, fine=dict(type='FlowEneDetHead', scale_factor=2))
    together = build_pair(tiny_base(mode), uncertainty_heads=heads)[1]
    images = torch.rand(1, 3, *SIZE)
    maps = together.predict(images, samples(1))[0].uncertainty
    for name, head in heads.items():
        alone = MODELS.build(Config(posthoc_config(tiny_base(mode), uncertainty_heads={name: head}))).eval()
        alone.load_state_dict(together.state_dict(), strict=False)
        assert_close(alone.predict(images, samples(1))[0].uncertainty.get(name), maps.get(name))


def test_flip_and_padding_are_undone_for_scores_too():
    _, posthoc = build_pair(tiny_base(), uncertainty_heads=HEADS)
    images, (sample, ) = torch.rand(1, 3, *SIZE), samples(1, ori_shape=(60, 80))
    sample.set_metainfo(dict(padding_size=[0, 16, 0, 4], flip=True, flip_direction='horizontal'))
    with torch.no_grad():
        flipped = posthoc.predict(images, [sample])[0]
        straight = posthoc.predict(images, samples(1, ori_shape=SIZE))[0]
    for name in ('native', 'fedc', 'msp'):
        window = straight.uncertainty.get(name)[:, :60, :80].flip(dims=(2, ))
        assert_close(flipped.uncertainty.get(name), window, atol=1e-5, rtol=1e-5)


def test_a_sigmoid_model_scores_as_a_two_class_softmax():
    base = tiny_base(num_classes=2, out_channels=1, threshold=0.5)
    plain, posthoc = build_pair(base, uncertainty_heads=dict(msp=HEADS['msp']))
    images = torch.rand(1, 3, *SIZE)
    with torch.no_grad():
        expected, sample = plain.predict(images, samples(1))[0], posthoc.predict(images, samples(1))[0]
    assert torch.equal(expected.pred_sem_seg.data, sample.pred_sem_seg.data)
    p = sample.seg_logits.data
    assert_close(sample.uncertainty.msp, 1 - torch.maximum(p, 1 - p))


def test_training_moves_heads_and_nothing_of_the_base():
    _, model = build_pair(tiny_base(), uncertainty_heads=HEADS)
    model.train()
    before = {key: value.clone() for key, value in model.state_dict().items()}
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1, weight_decay=0.1)
    for _ in range(2):
        losses = model.loss(torch.rand(2, 3, *SIZE), samples(2, labels=True))
        sum(value for key, value in losses.items() if 'loss' in key).backward()
        optimizer.step()
        optimizer.zero_grad()
    changed = {key for key, value in model.state_dict().items() if not torch.equal(value, before[key])}
    assert changed and all(key.startswith(('uncertainty_heads.fedu', 'uncertainty_heads.fedc')) for key in changed)
    assert {id(parameter) for parameter in trained} == {id(p) for p in model.uncertainty_heads.parameters()}


def test_the_base_stays_in_evaluation_and_draws_nothing_at_random():
    plain, model = build_pair(tiny_base(), uncertainty_heads=HEADS)
    model.train()
    assert model.training and model.uncertainty_heads.training
    assert not any(module.training for child in (model.backbone, model.decode_head) for module in child.modules())
    images, labelled = torch.rand(2, 3, *SIZE), samples(2, labels=True)
    first, second = (model.frozen_outputs(images, labelled) for _ in range(2))
    assert torch.equal(first.logits, second.logits) and torch.equal(first.features, second.features)
    with torch.no_grad():
        assert torch.equal(first.native_logits, plain._forward(images))
    assert first.logits.shape[-2:] == SIZE and not first.logits.requires_grad


def test_pretrained_weights_are_not_fetched(monkeypatch):
    fetched = []
    monkeypatch.setattr(CheckpointLoader, 'load_checkpoint', lambda path, *_, **__: fetched.append(path))
    base = tiny_base()
    base['backbone']['init_cfg'] = dict(type='Pretrained', checkpoint='https://example.invalid/weights.pth')
    MODELS.build(Config(posthoc_config(base, uncertainty_heads=HEADS))).init_weights()
    assert not fetched


@pytest.mark.parametrize('heads, error, message', [
    (dict(a=dict(type='MSPHed')), KeyError, "unknown type 'MSPHed'.*MSPHead"),
    ({'a-b': dict(type='MSPHead')}, ValueError, 'identifier'),
    (dict(a=dict(type='MSPHead', resolution='half')), ValueError, "resolution='half'"),
    (dict(a=dict(type='EnergyHead', temperature=0.)), ValueError, 'temperature'),
])
def test_a_wrong_head_is_named(heads, error, message):
    with pytest.raises(error, match=message):
        MODELS.build(Config(posthoc_config(uncertainty_heads=heads)))


def test_nan_logits_name_the_image():
    _, model = build_pair(tiny_base(), uncertainty_heads=dict(msp=HEADS['msp']))
    with torch.no_grad():
        model.decode_head.conv_seg.bias[2] = torch.nan
        with pytest.raises(FloatingPointError, match='0.png'):
            model.predict(torch.rand(1, 3, *SIZE), samples(1))


def test_nothing_to_train_is_an_error():
    _, model = build_pair(tiny_base(), uncertainty_heads=dict(msp=HEADS['msp']))
    with pytest.raises(ValueError, match='nothing to train'):
        model.train().loss(torch.rand(1, 3, *SIZE), samples(1, labels=True))


@pytest.mark.parametrize('mode', ['whole', 'slide'])
def test_reduced_precision_is_near_and_can_be_taken_back(mode):
    _, posthoc = build_pair(tiny_base(mode), uncertainty_heads=HEADS)
    images = torch.rand(1, 3, *SIZE)

    def predicted():
        with torch.no_grad():
            return posthoc.predict(images, samples(1))[0]
    exact = predicted()
    posthoc.hasten(torch.bfloat16, channels_last=True)
    fast = predicted()
    assert not torch.equal(fast.seg_logits.data, exact.seg_logits.data)
    assert_close(fast.seg_logits.data, exact.seg_logits.data, rtol=0.05, atol=0.05)
    assert fast.seg_logits.data.dtype == fast.uncertainty.msp.dtype == fast.uncertainty.fedc.dtype == torch.float32
    posthoc.hasten()
    assert torch.equal(predicted().seg_logits.data, exact.seg_logits.data)


@pytest.mark.parametrize(('mode', 'resolution', 'kept'), [('whole', None, 1), ('slide', None, 0), ('slide', 'native', 9)])
def test_windows_are_kept_for_fits_that_read_them_and_where_there_is_one(mode, resolution, kept):
    head = dict(type='MSPHead') if resolution is None else dict(type='MSPHead', resolution=resolution)
    _, posthoc = build_pair(tiny_base(mode), uncertainty_heads=dict(msp=head))
    assert len(posthoc.frozen_outputs(torch.rand(1, 3, *SIZE), samples(1, labels=True)).windows) == kept
