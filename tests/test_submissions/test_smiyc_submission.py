"""What SegmentMeIfYouCan is sent is what it reads."""
import sys

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from mmseg_uncertainty.submissions import SmiycSubmission, SubmissionError, check_submission, write_submission

h5py = pytest.importorskip('h5py')


@pytest.fixture
def submission(tmp_path, frames):
    return SmiycSubmission(tmp_path / 'out', frames, 'AnomalyTrack-all', 'msp')


def stored(submission, name):
    """Read as the benchmark does."""
    path = submission.folder / f'anomaly_p/{submission.method}/{submission.split}/{name}.hdf5'
    with h5py.File(path, 'r') as file:
        assert list(file) == ['value'] and file['value'].compression == 'gzip' and file['value'].compression_opts == 9
        return file['value'][:]


def test_files_are_where_and_what_the_benchmark_reads(submission, predict):
    report = write_submission(submission, predict)
    assert (report.frames, report.files) == (2, 2)
    for frame in submission.frames:
        values, scores = stored(submission, frame.name), predict(frame)[0]
        assert values.dtype == np.float16 and values.shape == scores.shape
        order = np.argsort(scores, axis=None)
        assert (np.diff(values.ravel()[order].astype(float)) > 0).all()


def test_metrics_of_all_frames_together_are_those_of_the_scores(submission, predict):
    write_submission(submission, predict)
    truth = np.random.default_rng(5).random((2, *submission.frames[0].size)) < 0.1
    scores = np.stack([predict(frame)[0] for frame in submission.frames])
    values = np.stack([stored(submission, frame.name) for frame in submission.frames])
    for measure in (average_precision_score, roc_auc_score):
        assert measure(truth.ravel(), values.ravel().astype(float)) == measure(truth.ravel(), scores.ravel())


def test_scores_that_half_precision_holds_are_stored_as_they_are(submission):
    scores = {frame.name: (np.arange(240.).reshape(12, 20) / 8).astype(np.float32) for frame in submission.frames}
    write_submission(submission, lambda frame: (scores[frame.name], np.zeros((12, 20), int)))
    assert np.array_equal(stored(submission, 'a'), scores['a'])


def test_scores_beyond_half_precision_are_mapped_or_refused(submission):
    def predict(frame):
        scores = np.full((12, 20), 7e4, np.float32)
        scores[0, 0] = 1e6
        scores[0, 1] = -1e6
        return scores, np.zeros((12, 20), int)

    with pytest.raises(SubmissionError, match=r'frame a reach 1e\+06, and half precision ends at 65504.*--rescale'):
        write_submission(submission, predict, rescale='never')
    assert not list((submission.folder / 'anomaly_p').rglob('*.hdf5'))
    write_submission(submission, predict)
    values = stored(submission, 'a')
    assert np.isfinite(values).all() and values[0, 1] < values[5, 5] < values[0, 0]


def test_half_precision_ends_where_it_ends(submission):
    scores = np.zeros((12, 20), np.float32)
    scores[0, 0] = 65504
    submission.write(submission.frames[0], scores)
    scores[0, 0] = 65536
    with pytest.raises(SubmissionError, match='reach 65536'):
        submission.write(submission.frames[0], scores)


@pytest.mark.parametrize('value, message', [(np.nan, '1 NaN and 0 infinite'), (np.inf, '0 NaN and 1 infinite')])
def test_scores_that_are_no_numbers_name_their_frame(submission, predict, value, message):
    def broken(frame):
        scores, labels = predict(frame)
        scores[3, 4] = value if frame.name == 'b' else scores[3, 4]
        return scores, labels

    with pytest.raises(SubmissionError, match=f'frame b hold {message}'):
        write_submission(submission, broken)
    assert not list(submission.folder.rglob('*.hdf5')), 'no frame has a file before all scores are known'


def test_a_map_of_another_size_names_its_frame(submission):
    with pytest.raises(SubmissionError, match=r'frame a have the shape \(6, 10\), expected .*\(12, 20\)'):
        write_submission(submission, lambda frame: (np.zeros((6, 10), np.float32), np.zeros((6, 10), int)))


def test_a_frame_that_is_not_there_is_named(submission, predict):
    write_submission(submission, predict)
    submission.files(submission.frames[1])['scores'].unlink()
    with pytest.raises(SubmissionError, match=r'1 files of AnomalyTrack-all are missing: .*b\.hdf5'):
        check_submission(submission)


def rewrite(submission, values, name='value'):
    with h5py.File(submission.files(submission.frames[0])['scores'], 'w') as file:
        file[name] = values


@pytest.mark.parametrize('values, name, message', [
    (np.zeros((12, 20), np.float32), 'value', 'holds float32, expected float16'),
    (np.zeros((12, 21), np.float16), 'value', r'have the shape \(12, 21\)'),
    (np.full((12, 20), np.nan, np.float16), 'value', 'hold 240 NaN'),
    (np.full((12, 20), np.inf, np.float16), 'value', '240 infinite'),
    (np.zeros((12, 20), np.float16), 'anomaly', r"datasets \['anomaly'\], expected 'value'")])
def test_files_of_somebody_else_are_checked(submission, predict, values, name, message):
    write_submission(submission, predict)
    rewrite(submission, values, name)
    with pytest.raises(SubmissionError, match=message):
        check_submission(submission)


def test_a_file_that_was_cut_off_is_named_and_written_again(submission, predict):
    write_submission(submission, predict)
    path = submission.files(submission.frames[0])['scores']
    whole = stored(submission, 'a')
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(SubmissionError, match=r'a\.hdf5 cannot be read as HDF5'):
        check_submission(submission)
    write_submission(submission, predict)
    assert np.array_equal(stored(submission, 'a'), whole)


def test_frames_of_another_split_are_named(submission, predict):
    write_submission(submission, predict)
    path = submission.files(submission.frames[0])['scores']
    path.with_name('validation_1.hdf5').write_bytes(path.read_bytes())
    with pytest.raises(SubmissionError, match=r'1 files belong to no frame of AnomalyTrack-all: .*validation_1\.hdf5'):
        check_submission(submission)


def test_scores_that_are_all_equal_rank_nothing(submission):
    with pytest.raises(SubmissionError, match='All scores of AnomalyTrack-all are 0'):
        write_submission(submission, lambda frame: (np.zeros((12, 20), np.float32), np.zeros((12, 20), int)))


def test_what_was_predicted_is_not_predicted_again(submission, predict):
    def stopped(frame):
        if frame.name == 'b':
            raise KeyboardInterrupt
        return predict(frame)

    with pytest.raises(KeyboardInterrupt):
        write_submission(submission, stopped)
    write_submission(submission, predict)
    assert predict.calls == ['a', 'b']
    write_submission(submission, predict)
    assert predict.calls == ['a', 'b']
    assert not list((submission.folder / '.scores').rglob('*.npz')), 'scores do not stay once the files are there'


def test_a_missing_library_is_named(monkeypatch, tmp_path, frames):
    monkeypatch.setitem(sys.modules, 'h5py', None)
    with pytest.raises(ImportError, match=r'pip install "mmseg_uncertainty\[submit\]"'):
        SmiycSubmission(tmp_path, frames, 'x', 'y')
