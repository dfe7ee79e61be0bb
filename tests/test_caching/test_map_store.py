"""What is stored comes back or counts as absent, whatever happened to the folder."""
import multiprocessing
import os

import numpy as np
import pytest

from mmseg_uncertainty.caching import MapStore

VALUES = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32)


def store(folder, precision='float32', limit=10**9):
    return MapStore(folder, precision, limit)


@pytest.mark.parametrize('shape', [(0, ), (7, ), (2, 3), (3, 4, 5), (2, 1, 3, 1)])
def test_float32_comes_back_bit_for_bit(tmp_path, shape):
    values = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    assert store(tmp_path).write('ab', values)
    np.testing.assert_array_equal(store(tmp_path).read('ab'), values)


@pytest.mark.parametrize('axes', [(0, 1, 2), (1, 2, 0), (2, 0, 1)])
def test_the_memory_layout_comes_back(tmp_path, axes):
    values = VALUES.transpose(axes)
    store(tmp_path).write('ab', values)
    read = store(tmp_path).read('ab')
    np.testing.assert_array_equal(read, values)
    assert read.strides == values.strides


def test_float16_comes_back_rounded_as_told(tmp_path):
    half = store(tmp_path, 'float16')
    half.write('ab', VALUES)
    np.testing.assert_array_equal(half.read('ab'), half.rounded(VALUES))
    np.testing.assert_array_equal(half.rounded(VALUES), VALUES.astype(np.float16))


@pytest.mark.parametrize('extreme', [1e6, -np.inf, np.nan])
def test_values_out_of_the_range_of_float16_are_kept(tmp_path, extreme):
    values = np.append(VALUES.ravel(), np.float32(extreme))
    half = store(tmp_path, 'float16')
    half.write('ab', values)
    np.testing.assert_array_equal(half.read('ab'), values)


def test_what_was_never_written_is_absent(tmp_path):
    assert store(tmp_path).read('ab') is None


@pytest.mark.parametrize('position', [0, 5, 9, 12, 40, 64, -1])
def test_a_flipped_bit_is_noticed_wherever_it_is(tmp_path, position):
    cache = store(tmp_path)
    cache.write('ab', VALUES)
    content = bytearray(cache.path('ab').read_bytes())
    content[position] ^= 4
    cache.path('ab').write_bytes(content)
    assert cache.read('ab') is None
    cache.write('ab', VALUES)
    np.testing.assert_array_equal(cache.read('ab'), VALUES)


@pytest.mark.parametrize('length', [0, 10, 64, 100])
def test_a_short_file_is_noticed(tmp_path, length):
    cache = store(tmp_path)
    cache.write('ab', VALUES)
    cache.path('ab').write_bytes(cache.path('ab').read_bytes()[:length])
    assert cache.read('ab') is None


def test_a_full_folder_refuses_and_keeps_what_it_has(tmp_path):
    size = 64 + VALUES.nbytes
    cache = store(tmp_path, limit=2 * size)
    assert [cache.write(name, VALUES) for name in ('aa', 'bb', 'cc')] == [True, True, False]
    assert cache.read('aa') is not None and cache.read('cc') is None
    assert not store(tmp_path, limit=2 * size).write('dd', VALUES)
    assert sum(path.stat().st_size for path in tmp_path.rglob('*') if path.is_file()) == 2 * size


def test_a_folder_that_cannot_be_written_is_said_once_and_read_on(tmp_path, monkeypatch):
    cache = store(tmp_path)
    cache.write('aa', VALUES)

    def fail(*_):
        raise OSError(28, 'No space left on device')
    monkeypatch.setattr(os, 'replace', fail)
    assert not cache.write('bb', VALUES)
    assert not list(tmp_path.rglob('.*'))
    assert cache.read('aa') is not None


def test_what_a_stopped_process_left_is_removed_later(tmp_path):
    cache = store(tmp_path)
    cache.write('ab', VALUES)
    left = tmp_path / 'ab/.ab.1.partial'
    left.write_bytes(b'half')
    store(tmp_path)
    assert left.exists()
    os.utime(left, (0, 0))
    store(tmp_path)
    assert not left.exists() and cache.read('ab') is not None


def write_many(folder):
    cache = store(folder)
    for name in range(100):
        cache.write(f'{name:03}', VALUES + name)


def test_processes_that_write_the_same_do_not_disturb_each_other(tmp_path):
    context = multiprocessing.get_context('fork')
    processes = [context.Process(target=write_many, args=(tmp_path, )) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    for name in range(100):
        np.testing.assert_array_equal(store(tmp_path).read(f'{name:03}'), VALUES + name)


@pytest.mark.parametrize('options, message', [(('float8', 1), 'float8.*float16'), (('float16', 0), 'limit')])
def test_a_wrong_option_is_named(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        MapStore(tmp_path, *options)


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(ValueError, match='file.*folder'):
        store(tmp_path / 'file')
