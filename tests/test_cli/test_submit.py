"""From a config and a folder of images to the files of a benchmark, and their numbers."""
import json

import cv2
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS
from sklearn.metrics import average_precision_score, roc_auc_score

from mmseg_uncertainty.cli import call
from mmseg_uncertainty.submissions import SubmissionError
from tests.test_datasets.small_files import write_image, write_labels
from tests.tiny import tiny_base, tiny_posthoc

CALL = ('tiny.py', 'tiny.pth', '--head', 'msp', '--images', 'track/images', '--out', 'out')


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    """A folder with a model of 19 classes, three images, and labels 0, 1 and 255."""
    monkeypatch.chdir(tmp_path)
    torch.manual_seed(0)
    torch.save(dict(state_dict=MODELS.build(Config(tiny_base(num_classes=19))).state_dict(), meta={}), 'tiny.pth')
    heads = dict(msp=dict(type='MSPHead'), energy=dict(type='EnergyHead'))
    Config(dict(default_scope='mmseg', model=tiny_posthoc(heads, classes=19))).dump('tiny.py')
    for index in range(3):
        write_image(tmp_path / f'track/images/frame{index}.png', (48, 64), seed=index)
        write_labels(tmp_path / f'track/labels/frame{index}.png', (0, 0, 0, 1, 255), (48, 64))
    return tmp_path


def stored(benchmark, out, index):
    """Scores of a frame, read as the benchmark does."""
    if benchmark == 'smiyc':
        h5py = pytest.importorskip('h5py')
        with h5py.File(out / f'anomaly_p/tiny_msp/track/frame{index}.hdf5') as file:
            return file['value'][:].astype(float)
    if benchmark == 'fishyscapes':
        return np.load(out / f'frame{index}_anomaly.npy').astype(float)
    return 65535. - cv2.imread(str(out / f'bravo_track/frame{index}_conf.png'), cv2.IMREAD_UNCHANGED)


@pytest.mark.parametrize('benchmark', ['smiyc', 'fishyscapes', 'bravo'])
def test_written_files_give_the_metrics_of_the_model(tiny, benchmark, capsys):
    if benchmark == 'smiyc':
        pytest.importorskip('h5py')
    call('submit', (benchmark, *CALL, '--labels', 'track/labels'))
    call('test', ('tiny.py', 'tiny.pth', '--eval', 'mFishy', '--test-dataset', 'folder', '--data-root', 'track', '--heads', 'msp',
                  '--out', 'r.json', '--work-dir', 'run', '--cfg-options', 'test_dataloader.num_workers=0',
                  'test_dataloader.persistent_workers=False'))
    measured = json.loads((tiny / 'r.json').read_text())['metrics']
    written = np.stack([stored(benchmark, tiny / 'out', index) for index in range(3)])
    truth = np.stack([cv2.imread(f'track/labels/frame{index}.png', cv2.IMREAD_UNCHANGED) for index in range(3)])
    known = truth != 255
    own = dict(AP=100 * average_precision_score(truth[known] == 1, written[known]),
               AUROC=100 * roc_auc_score(truth[known] == 1, written[known]))
    record = json.loads(next((tiny / 'out').glob('*.json')).read_text())
    assert record['complete'] and record['settings']['head'] == 'msp' and record['frames'] == 3
    # 16 bits of confidence tie scores that differ by less.
    tolerance = 0.02 if benchmark == 'bravo' else 1e-3
    for name, value in own.items():
        assert record['metrics'][name] == pytest.approx(value, abs=1e-9)
        assert measured[f'msp/{name}[pooled]'] == pytest.approx(value, abs=tolerance)
    assert record['metrics']['FPR95'] == pytest.approx(measured['msp/FPR95[pooled]'], abs=0.2)
    assert 'whole and of the right size and type' in capsys.readouterr().out


def test_checking_needs_no_model(tiny):
    call('submit', ('fishyscapes', *CALL))
    call('submit', ('fishyscapes', '--check', '--images', 'track/images', '--out', 'out'))
    write_image(tiny / 'track/images/frame3.png', (48, 64))
    with pytest.raises(SubmissionError, match='2 files of track are missing: .*frame3'):
        call('submit', ('fishyscapes', '--check', '--images', 'track/images', '--out', 'out'))


def test_frames_of_another_head_are_not_mixed_in(tiny):
    call('submit', ('fishyscapes', *CALL))
    with pytest.raises(SubmissionError, match=r"written with head 'msp', now it is 'energy'.*another --out"):
        call('submit', ('fishyscapes', *CALL, '--head', 'energy'))


def test_a_run_goes_on_with_what_is_there(tiny):
    call('submit', ('fishyscapes', *CALL))
    first = (tiny / 'out/frame0_anomaly.npy').stat().st_mtime_ns
    (tiny / 'out/frame1_anomaly.npy').unlink()
    call('submit', ('fishyscapes', *CALL))
    assert (tiny / 'out/frame0_anomaly.npy').stat().st_mtime_ns == first
    assert (tiny / 'out/frame1_anomaly.npy').is_file()


def test_scores_without_a_unit_become_ranks_for_bravo(tiny, capsys):
    call('submit', ('bravo', *CALL, '--head', 'energy'))
    assert 'energy is no probability: confidences keep its ranks' in capsys.readouterr().out
    confidence = np.stack([65535 - stored('bravo', tiny / 'out', index) for index in range(3)])
    assert confidence.min() == 0 and confidence.max() == 65535


def test_a_split_that_is_not_whole_is_refused_before_anything_is_predicted(tiny, monkeypatch):
    monkeypatch.setattr('mmseg_uncertainty.apis.frame_predictor.FramePredictor', None)
    pytest.importorskip('h5py')
    with pytest.raises(SubmissionError, match='AnomalyTrack-all has 110 frames, and .* holds 3'):
        call('submit', ('smiyc', *CALL, '--split', 'AnomalyTrack-all'))
    assert not (tiny / 'out').exists()


@pytest.mark.parametrize('words, message', [
    (('fishyscape', *CALL), 'Did you mean fishyscapes'), (('smiyc', 'tiny.py', '--out', 'o'), '--head NAME'),
    (('smiyc', 'tiny.py', '--head', 'msp', '--out', 'o'), '--split NAME'), (('smiyc', *CALL, '--method', 'a/b'), '--method a/b'),
    (('smiyc', '--check', '--images', 'x', '--out', 'o'), '--method NAME')])
def test_calls_that_say_too_little_are_answered(words, message, capsys):
    with pytest.raises(SystemExit):
        call('submit', words)
    assert message in capsys.readouterr().err


def test_labels_of_some_frames_only_are_refused(tiny):
    (tiny / 'track/labels/frame1.png').unlink()
    with pytest.raises(SubmissionError, match='lacks labels of 1 of 3 frames: frame1'):
        call('submit', ('fishyscapes', *CALL, '--labels', 'track/labels'))
