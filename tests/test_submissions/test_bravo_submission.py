"""What the toolkit of BRAVO reads."""
import io
import tarfile

import cv2
import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import average_precision_score

from mmseg_uncertainty.submissions import BravoSubmission, Frame, SubmissionError, check_submission, write_submission
from mmseg_uncertainty.submissions.bravo_submission import confidence_levels
from tests.test_datasets.small_files import write_image

NAMES = ('bravo_ACDC/fog/test/GOPR0475/GOPR0475_frame_000247_rgb_anon', 'bravo_synobjs/armchair/1')


@pytest.fixture
def submission(tmp_path):
    frames = [Frame(name, tmp_path / f'{name}.png') for name in NAMES]
    for frame in frames:
        write_image(frame.image)
    return BravoSubmission(tmp_path / 'out', frames, 'bravo')


def test_pairs_have_the_bits_and_names_of_the_toolkit(submission, predict):
    write_submission(submission, predict)
    for frame in submission.frames:
        scores, labels = predict(frame)
        pred = cv2.imread(str(submission.folder / f'{frame.name}_pred.png'), cv2.IMREAD_UNCHANGED)
        conf = cv2.imread(str(submission.folder / f'{frame.name}_conf.png'), cv2.IMREAD_UNCHANGED)
        assert pred.dtype == np.uint8 and np.array_equal(pred, labels)
        assert conf.dtype == np.uint16
        assert np.array_equal(conf, np.minimum(np.floor((1 - scores.astype(float)) * 65536), 65535))


def test_a_level_stands_for_the_middle_of_its_confidences(submission):
    scores = np.random.default_rng(0).random((12, 20))
    levels = confidence_levels(scores, submission.frames[0])
    assert np.abs((levels + 0.5) / 65536 - (1 - scores)).max() <= 0.5 / 65536 + 1e-12
    assert confidence_levels(np.array([[0., 1.]]), submission.frames[0]).tolist() == [[65535, 0]]


def test_the_tar_holds_the_files_and_nothing_else(submission, predict):
    write_submission(submission, predict)
    content = (submission.folder / 'submission.tar').read_bytes()
    with tarfile.open(fileobj=io.BytesIO(content)) as tar:
        assert sorted(tar.getnames()) == sorted(f'{name}_{kind}.png' for name in NAMES for kind in ('conf', 'pred'))
        packed = Image.open(tar.extractfile(f'{NAMES[1]}_pred.png'))
        assert np.array_equal(np.array(packed), predict(submission.frames[1])[1])
    write_submission(submission, predict)
    assert (submission.folder / 'submission.tar').read_bytes() == content


def test_scores_of_any_unit_keep_their_ranks(submission):
    scores = {name: np.random.default_rng(index).normal(20, 3, (12, 20)).astype(np.float32) for index, name in enumerate(NAMES)}
    write_submission(submission, lambda frame: (scores[frame.name], np.zeros((12, 20), int)), rescale='always')
    conf = np.stack([cv2.imread(str(submission.folder / f'{name}_conf.png'), cv2.IMREAD_UNCHANGED) for name in NAMES])
    truth = np.random.default_rng(9).random(conf.shape) < 0.1
    ours = average_precision_score(truth.ravel(), np.stack([scores[name] for name in NAMES]).ravel())
    assert average_precision_score(truth.ravel(), 65535. - conf.ravel()) == ours


def test_a_score_that_is_no_probability_is_refused(submission):
    with pytest.raises(SubmissionError, match='reach from 3 to 3, expected the probability .*head msp'):
        write_submission(submission, lambda frame: (np.full((12, 20), 3.), np.zeros((12, 20), int)))


def test_classes_of_another_model_are_refused(submission, predict):
    with pytest.raises(SubmissionError, match='from 30 to 30, expected the train ids of Cityscapes, 0 to 18'):
        write_submission(submission, lambda frame: (predict(frame)[0], np.full((12, 20), 30)))
    assert not list(submission.folder.rglob('*.png'))


@pytest.mark.parametrize('kind, pixels, message', [
    ('conf', np.zeros((12, 20), np.uint8), r"kind 'L', expected 'I;16' \(16 bits"),
    ('pred', np.zeros((12, 20), np.uint16), r"kind 'I;16', expected 'L' \(8 bits"),
    ('pred', np.zeros((12, 20, 3), np.uint8), "kind 'RGB', expected 'L'"),
    ('conf', np.zeros((12, 21), np.uint16), r'shape \(12, 21\)'),
    ('pred', np.full((12, 20), 19, np.uint8), 'from 19 to 19')])
def test_files_of_somebody_else_are_checked(submission, predict, kind, pixels, message):
    write_submission(submission, predict)
    Image.fromarray(pixels).save(submission.folder / f'{NAMES[0]}_{kind}.png')
    with pytest.raises(SubmissionError, match=message):
        check_submission(submission)


def test_a_subset_that_was_not_asked_for_is_no_fault_but_a_stranger_in_one_is(submission, predict):
    write_submission(submission, predict)
    other = submission.folder / 'bravo_synrain/x_conf.png'
    other.parent.mkdir()
    other.write_bytes(b'')
    check_submission(submission)
    (submission.folder / 'bravo_synobjs/x_conf.png').write_bytes(b'')
    with pytest.raises(SubmissionError, match='belong to no frame of bravo: .*bravo_synobjs/x_conf.png'):
        check_submission(submission)
