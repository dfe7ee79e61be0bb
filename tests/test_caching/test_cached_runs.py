"""A second run costs no forward pass of the base model and changes nothing."""
import copy
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS
from torch.testing import assert_close

from mmseg_uncertainty.caching import BaseOutputCache
from tests.test_models.test_segmentors.test_posthoc_segmentor import HEADS, SIZE, build_pair, samples
from tests.test_tools.conftest import TOOLS, run_tool  # noqa: F401
from tests.test_tools.test_train_and_test import TEST_LOADER, base  # noqa: F401
from tests.tiny import TINY_TOY_ROADS, tiny_base, tiny_posthoc

FED = dict(fedc=dict(type='FlowEneDetHead', conditional=True, condition_channels=4), msp=dict(type='MSPHead'))


def cached(model, folder, precision='float32', **base):
    model.cache = BaseOutputCache(folder, base, precision)
    return model


def predict(model, images):
    with torch.no_grad():
        return model.predict(images, samples(len(images)))


@pytest.mark.parametrize('mode', ['whole', 'slide'])
@pytest.mark.parametrize('decode_head', [{}, dict(num_classes=2, out_channels=1, threshold=0.4)])
def test_float32_gives_every_map_bit_for_bit(tmp_path, mode, decode_head):
    heads = {key: value for key, value in HEADS.items() if not decode_head or not key.startswith('fed')}
    _, model = build_pair(tiny_base(mode, **decode_head), uncertainty_heads=heads)
    images = torch.rand(2, 3, *SIZE)
    plain = predict(model, images)
    for _ in range(2):
        for sample, expected in zip(predict(cached(model, tmp_path), images), plain):
            assert torch.equal(sample.seg_logits.data, expected.seg_logits.data)
            for name, scores in expected.uncertainty.items():
                assert torch.equal(sample.uncertainty.get(name), scores), name
    assert model.cache.passes == 0 and model.cache.found > 0


def test_float16_is_near_and_the_same_whether_computed_or_found(tmp_path):
    _, model = build_pair(tiny_base(), uncertainty_heads=HEADS)
    images = torch.rand(2, 3, *SIZE)
    plain = predict(model, images)
    first, second = (predict(cached(model, tmp_path, 'float16'), images) for _ in range(2))
    for sample, again, expected in zip(first, second, plain):
        assert torch.equal(sample.seg_logits.data, again.seg_logits.data)
        assert not torch.equal(sample.seg_logits.data, expected.seg_logits.data)
        assert_close(sample.seg_logits.data, expected.seg_logits.data, rtol=1e-3, atol=1e-3)
        for name, scores in expected.uncertainty.items():
            assert torch.equal(sample.uncertainty.get(name), again.uncertainty.get(name)), name
            assert_close(sample.uncertainty.get(name), scores, rtol=5e-3, atol=5e-3)


def test_only_what_is_missing_is_computed(tmp_path):
    _, model = build_pair(tiny_base(), uncertainty_heads=HEADS)
    images = torch.rand(3, 3, *SIZE)
    predict(cached(model, tmp_path), images[:1])
    predict(cached(model, tmp_path), images)
    assert (model.cache.found, model.cache.computed, model.cache.passes) == (1, 2, 1)


def test_a_damaged_file_is_computed_again(tmp_path):
    _, model = build_pair(tiny_base(), uncertainty_heads=HEADS)
    images = torch.rand(1, 3, *SIZE)
    expected = predict(cached(model, tmp_path), images)[0]
    for path in tmp_path.rglob('*.features_8'):
        path.write_bytes(path.read_bytes()[:-1] + b'\xff')
    again = predict(cached(model, tmp_path), images)[0]
    assert model.cache.computed == 1 and torch.equal(again.uncertainty.fedc, expected.uncertainty.fedc)
    predict(cached(model, tmp_path), images)
    assert model.cache.computed == 0


def test_the_base_model_decides_the_folder(tmp_path):
    folders = {BaseOutputCache(tmp_path, base, precision).store.directory for base, precision in (
        (dict(weights='a', config=1), 'float16'), (dict(weights='b', config=1), 'float16'),
        (dict(weights='a', config=2), 'float16'), (dict(weights='a', config=1), 'float32'))}
    assert len(folders) == 4
    assert json.loads((sorted(folders)[0] / 'base.json').read_text())['base'].keys() == {'weights', 'config'}


def test_features_are_pooled_where_all_heads_pool_alike(tmp_path):
    _, model = build_pair(tiny_base(), uncertainty_heads=dict(fedc=HEADS['fedc']))
    images = torch.rand(1, 3, *SIZE)
    plain = predict(model, images)[0]
    for _ in range(2):
        assert_close(predict(cached(model, tmp_path), images)[0].uncertainty.fedc, plain.uncertainty.fedc)
    assert model.cache.passes == 0
    assert list(tmp_path.rglob('*.features_8')) and not list(tmp_path.rglob('*.features'))


def write_config(path, model, **training):
    Config(dict(copy.deepcopy(TINY_TOY_ROADS), model=model, test_dataloader=TEST_LOADER,
                test_evaluator=dict(type='IoUMetric'), test_cfg=dict(type='TestLoop'), **training)).dump(path)
    return path


@pytest.fixture
def no_forward(monkeypatch):
    """Make every forward pass of a base model fail."""
    def forbid():
        def fail(*_):
            raise AssertionError('the base model ran')
        monkeypatch.setattr('mmseg_uncertainty.models.bases.MMSegBase.scores', fail)
    return forbid


def metrics(name):
    return json.loads(Path(f'{name}.json').read_text())['metrics']


def weights(folder):
    return torch.load(folder / 'iter_6.pth', weights_only=False)['state_dict']


def test_a_second_fit_and_test_run_no_base_and_agree_exactly(run_tool, base, tmp_path, no_forward):  # noqa: F811
    config = write_config(tmp_path / 'fed.py', tiny_posthoc(FED, classes=8))
    options = ('--cache', tmp_path / 'cache', '--cache-precision', 'float32')
    test = (config, tmp_path / 'plain/iter_6.pth', '--eval', 'IDM', 'mIoU', '--out')
    run_tool('train', config, '--load-from', base, '--work-dir', tmp_path / 'plain')
    run_tool('test', *test, 'plain.json')
    run_tool('train', config, '--load-from', base, '--work-dir', tmp_path / 'first', *options)
    run_tool('test', *test, 'first.json', *options)
    no_forward()
    run_tool('train', config, '--load-from', base, '--work-dir', tmp_path / 'second', *options)
    run_tool('test', *test, 'second.json', *options)
    for name in ('first', 'second'):
        assert_close(weights(tmp_path / name), weights(tmp_path / 'plain'), rtol=1e-5, atol=1e-6)
        assert metrics(name) == metrics('plain')
    assert all(torch.equal(one, weights(tmp_path / 'second')[key]) for key, one in weights(tmp_path / 'first').items())


def test_another_checkpoint_finds_nothing(run_tool, base, tmp_path, no_forward):  # noqa: F811
    config = write_config(tmp_path / 'msp.py', tiny_posthoc(dict(msp=dict(type='MSPHead')), classes=8))
    run_tool('test', config, base, '--eval', 'IDM', '--cache', tmp_path / 'cache')
    state = torch.load(base, weights_only=True)
    state['state_dict']['decode_head.conv_seg.bias'] += 1e-3
    torch.save(state, tmp_path / 'other.pth')
    no_forward()
    run_tool('test', config, base, '--eval', 'IDM', '--cache', tmp_path / 'cache')
    with pytest.raises(AssertionError, match='the base model ran'):
        run_tool('test', config, tmp_path / 'other.pth', '--eval', 'IDM', '--cache', tmp_path / 'cache')


def test_calibration_is_cached_too(run_tool, base, tmp_path, no_forward):  # noqa: F811
    loader = dict(TEST_LOADER, dataset=dict(TEST_LOADER['dataset'], split='train'))
    model = tiny_posthoc({}, classes=8, calibrator=dict(type='TemperatureScaling'))
    config = write_config(tmp_path / 'ts.py', model)
    calibration = Config.fromfile(config)
    calibration.train_dataloader, calibration.train_cfg = loader, dict(type='CalibrationLoop')
    calibration.dump(config)
    arguments = (config, '--load-from', base, '--cache', tmp_path / 'cache', '--work-dir')
    run_tool('train', *arguments, tmp_path / 'first')
    no_forward()
    run_tool('train', *arguments, tmp_path / 'second')
    first, second = (torch.load(tmp_path / name / 'calibrated.pth', weights_only=False)['state_dict']
                     for name in ('first', 'second'))
    assert all(torch.equal(value, second[key]) for key, value in first.items())


def test_a_killed_run_leaves_a_valid_cache(base, tmp_path):  # noqa: F811
    config = write_config(tmp_path / 'msp.py', tiny_posthoc(dict(msp=dict(type='MSPHead')), classes=8))
    loader = Config.fromfile(config)
    loader.test_dataloader.dataset.length = 2000
    loader.dump(config)
    process = subprocess.Popen([sys.executable, TOOLS / 'test.py', config, base, '--eval', 'IDM', '--cache', 'cache'],
                               cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    folder = tmp_path / 'cache'
    while process.poll() is None and len(list(folder.rglob('*.native_logits'))) < 5:
        pass
    process.kill()
    process.wait()
    store = BaseOutputCache(folder, {}).store
    for path in folder.rglob('*.native_logits'):
        store.directory = path.parents[1]
        assert store.read(path.name) is not None
    model = MODELS.build(Config(tiny_posthoc({}, classes=8)))
    assert model.cache is None


def test_training_a_base_model_refuses_a_cache(run_tool, tmp_path):  # noqa: F811
    config = write_config(tmp_path / 'base.py', tiny_base(num_classes=8))
    with pytest.raises(ValueError, match='--cache.*EncoderDecoder'):
        run_tool('train', config, '--cache', tmp_path / 'cache')
