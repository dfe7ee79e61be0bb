"""What the server of Fishyscapes reads of a container."""
import numpy as np
import pytest

from mmseg_uncertainty.submissions import FishyscapesSubmission, SubmissionError, check_submission, write_submission


@pytest.fixture
def submission(tmp_path, frames):
    return FishyscapesSubmission(tmp_path / 'out', frames, 'Static')


def test_two_arrays_are_written_for_each_frame(submission, predict):
    write_submission(submission, predict)
    for frame in submission.frames:
        scores, labels = predict(frame)
        anomaly = np.load(submission.folder / f'{frame.name}_anomaly.npy')
        segmentation = np.load(submission.folder / f'{frame.name}_segmentation.npy')
        assert anomaly.dtype == np.float32 and np.array_equal(anomaly, scores)
        assert segmentation.dtype == np.uint8 and np.array_equal(segmentation, labels)


def test_frames_that_were_done_are_kept(submission, predict):
    def stopped(frame):
        if frame.name == 'b':
            raise KeyboardInterrupt
        return predict(frame)

    with pytest.raises(KeyboardInterrupt):
        write_submission(submission, stopped)
    write_submission(submission, predict)
    assert predict.calls == ['a', 'b']


def test_a_frame_half_written_is_written_again(submission, predict):
    write_submission(submission, predict)
    (submission.folder / 'a_anomaly.npy').write_bytes((submission.folder / 'a_anomaly.npy').read_bytes()[:200])
    with pytest.raises(SubmissionError, match='a_anomaly.npy cannot be read as an array'):
        check_submission(submission)
    write_submission(submission, predict)
    assert predict.calls == ['a', 'b', 'a']


@pytest.mark.parametrize('file, values, message', [
    ('a_anomaly', np.zeros((12, 20)), 'holds float64, expected float32'),
    ('a_anomaly', np.full((12, 20), np.nan, np.float32), '240 NaN'),
    ('a_anomaly', np.zeros((1, 12, 20), np.float32), r'shape \(1, 12, 20\)'),
    ('a_segmentation', np.zeros((12, 20), np.int64), 'holds int64, expected uint8'),
    ('a_segmentation', np.full((12, 20), 255, np.uint8), 'from 255 to 255, expected the train ids'),
    ('c_anomaly', np.zeros((12, 20), np.float32), 'belong to no frame of Static: .*c_anomaly')])
def test_files_of_somebody_else_are_checked(submission, predict, file, values, message):
    write_submission(submission, predict)
    np.save(submission.folder / f'{file}.npy', values)
    with pytest.raises(SubmissionError, match=message):
        check_submission(submission)


@pytest.mark.parametrize('kind', ['anomaly', 'segmentation'])
def test_a_missing_file_is_named(submission, predict, kind):
    write_submission(submission, predict)
    (submission.folder / f'b_{kind}.npy').unlink()
    with pytest.raises(SubmissionError, match=f'b_{kind}.npy'):
        check_submission(submission)
