"""A service answers each request with the prediction of its image, refuses what is broken, and loses nothing."""
import base64
import io
import json
import threading
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmseg_uncertainty.runtime.dataset_error import DatasetError
from mmseg_uncertainty.runtime.prediction import Prediction
from mmseg_uncertainty.runtime.score_scale import probability_scale
from mmseg_uncertainty.serving.limits import Limits
from mmseg_uncertainty.serving.micro_batches import MicroBatches
from mmseg_uncertainty.serving.served_model import ServedModel

pytest.importorskip('fastapi', reason='fastapi is not installed; pip install "mmseg_uncertainty[serve]"')
pytest.importorskip('prometheus_client', reason='prometheus_client is not installed; pip install "mmseg_uncertainty[serve]"')
from fastapi.testclient import TestClient

from mmseg_uncertainty.serving.uncertainty_service import create_app

ROOT = Path(__file__).resolve().parents[2]
DECISION = dict(head='red', text='at most 10 %', feasible=True, threshold=0.5, kind='misses')
LIMITS = Limits(megabytes=0.02, megapixels=0.01, waiting=3, batch=3)


def reddest(images):
    """Class 1 where red exceeds a half, uncertain by its share; a green corner, dark or bright, breaks the model, a blue one the
    pipeline."""
    for image in images:
        if image[0, 0, 1] == 255:
            raise ZeroDivisionError('inside')
        if image[0, 0, 1] == 254:
            raise ValueError('inside')
        if image[0, 0, 0] == 255:
            raise DatasetError('An image does not go through the test pipeline.')
    return [predict(image) for image in images]


def predict(image):
    red = (image[..., 2] / np.float32(255)).astype(np.float32)
    sets = np.stack([red < 0.75, red > 0.25])
    return Prediction((red > 0.5).astype(np.int64), dict(red=red), sets.sum(axis=0), sets, flags=dict(careful=red > 0.5))


MODEL = ServedModel(reddest, ['other', 'red'], [[0, 0, 0], [255, 0, 0]], dict(red=probability_scale(2)), dict(careful=DECISION),
                    dict(name='reddest'))


def picture(seed=0, size=(20, 30)):
    image = np.random.default_rng(seed).integers(0, 255, (*size, 3), np.uint8)
    image[0, 0] = 0
    return image


def png(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, 'PNG')
    return file.getvalue()


@pytest.fixture
def client():
    with TestClient(create_app(MODEL, LIMITS), raise_server_exceptions=False) as client:
        yield client


def test_every_form_of_an_answer_is_the_prediction(client):
    image = picture()
    expected = predict(image[..., ::-1])
    answer = client.post('/predict', params=dict(include='all'), content=png(image)).json()
    assert answer['flags']['careful']['flagged_share'] == expected.flags['careful'].mean()
    assert answer['prediction_set']['mean_size'] == expected.set_size.mean()
    with np.load(io.BytesIO(client.post('/predict?format=npz', content=png(image)).content)) as file:
        arrays = dict(file)
    assert json.loads(str(arrays['summary'])).items() <= answer.items()
    for name, values in dict(labels=expected.labels, red=expected.uncertainty['red'], set_membership=expected.set_membership,
                             set_size=expected.set_size, flags_careful=expected.flags['careful']).items():
        np.testing.assert_array_equal(arrays[name], values)
        sent = answer['maps'][name]
        np.testing.assert_array_equal(np.frombuffer(base64.b64decode(sent['data']), sent['dtype']).reshape(sent['shape']), values)
    labels = client.post('/predict?format=png', content=png(image))
    assert labels.headers['content-type'] == 'image/png'
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(labels.content))), expected.labels)
    for name in ('prediction', 'red', 'set_size', 'flags_careful'):
        drawn = client.post('/predict', params=dict(format='png', map=name), content=png(image)).content
        assert np.asarray(Image.open(io.BytesIO(drawn))).shape == image.shape


BLUE, GREEN, DARK_GREEN = picture(), picture(), picture()
BLUE[0, 0, 2] = GREEN[0, 0, 1] = 255
DARK_GREEN[0, 0, 1] = 254


@pytest.mark.parametrize('content, options, status, told', [
    (b'', {}, 400, 'is empty'), (b'no image', {}, 415, "starting with b'no image'"), (png(picture())[:400], {}, 422, 'cut off'),
    (png(picture()), dict(headers={'Content-Type': 'multipart/form-data; boundary=x'}), 415, '--data-binary'),
    (png(np.zeros((101, 100), np.uint8)), {}, 413, '100×101 pixels, expected 0.01 megapixels'),
    (bytes(20_001), {}, 413, '20,000 at most'), (bytes(10**6), {}, 413, '--max-megabytes'),
    (png(picture()), dict(params=dict(format='gif')), 422, "query.format: Input should be 'json'"),
    (png(picture()), dict(params=dict(include='redd')), 422, 'Did you mean red?'), (png(BLUE), {}, 422, 'test pipeline'),
    (png(GREEN), {}, 500, 'the log of the service'), (png(DARK_GREEN), {}, 500, 'the log of the service')])
def test_what_cannot_be_answered_has_a_status_and_a_reason(client, content, options, status, told):
    answer = client.post('/predict', content=content, **options)
    assert answer.status_code == status and told in answer.json()['detail'] and 'inside' not in answer.text
    assert client.post('/predict', content=png(picture())).status_code == 200


def test_a_body_of_unknown_length_has_the_same_limit(client):
    answer = client.post('/predict', content=iter([bytes(1000)] * 100))
    assert answer.status_code == 413


def test_health_model_and_metrics(client):
    client.post('/predict', content=png(picture()))
    client.post('/predict', content=b'x')
    lines = client.get('/metrics').text.splitlines()
    assert 'mmseg_uncertainty_requests_total{status="200"} 1.0' in lines
    assert 'mmseg_uncertainty_requests_total{status="415"} 1.0' in lines
    assert 'mmseg_uncertainty_batch_images_count 1.0' in lines
    share = predict(picture()[..., ::-1]).flags['careful'].mean()
    assert f'mmseg_uncertainty_flagged_share_sum{{decision="careful"}} {share}' in lines
    assert 'mmseg_uncertainty_requests_under_way 0.0' in lines
    described = client.get('/model').json()
    assert described['classes'] == ['other', 'red'] and described['heads']['red']['threshold'] == 0.5
    assert described['decisions']['careful']['text'] == 'at most 10 %'
    assert client.get('/health').json() == dict(status='ready')


def test_a_thread_that_ended_is_no_health():
    with TestClient(create_app(MODEL, LIMITS)) as client:
        pass
    assert client.get('/health').status_code == 503


def test_requests_beyond_the_limit_are_told_to_come_back():
    goes_on = threading.Event()

    def waits(images):
        goes_on.wait(20)
        return reddest(images)

    statuses = []
    model = ServedModel(waits, MODEL.classes, MODEL.palette, MODEL.scales, MODEL.decisions, MODEL.provenance)
    with TestClient(create_app(model, LIMITS)) as client:
        clients = [threading.Thread(target=lambda: statuses.append(client.post('/predict', content=png(picture())).status_code))
                   for _ in range(LIMITS.waiting)]
        for thread in clients:
            thread.start()
        while f'requests_under_way {LIMITS.waiting}.0' not in client.get('/metrics').text:
            pass
        refused = client.post('/predict', content=png(picture()))
        goes_on.set()
        for thread in clients:
            thread.join()
    assert refused.status_code == 503 and refused.headers['retry-after'] == '1' and statuses == [200] * LIMITS.waiting


def test_other_names_of_the_machine_are_refused():
    with TestClient(create_app(MODEL, LIMITS, ['127.0.0.1'])) as client:
        assert client.get('/model', headers=dict(Host='elsewhere.example')).status_code == 400
        assert client.get('/model', headers=dict(Host='127.0.0.1:8000')).status_code == 200


def test_batches_hold_images_of_one_size_and_a_failure_is_of_its_image_alone():
    seen, free = [], threading.Event()

    def watched(images):
        free.wait(20)
        seen.append([image.shape[0] for image in images])
        return reddest(images)

    batches = MicroBatches(watched, most=3)
    batches.start()
    try:
        first = batches.submit(picture(size=(1, 9)))
        while batches._waiting:
            pass
        images = [picture(index, (4 + index % 2, 6)) for index in range(8)]
        images[2][0, 0, 1] = 255
        futures = [batches.submit(image) for image in images]
        futures[7].cancel()
        free.set()
        for index, future in enumerate(futures[:7]):
            if index == 2:
                assert isinstance(future.exception(), ZeroDivisionError)
            else:
                np.testing.assert_array_equal(future.result().labels, predict(images[index]).labels)
        assert first.result().labels.shape == (1, 9)
    finally:
        batches.close()
    # Images 0, 2 and 4 fail together, then each is predicted alone; 7 was cancelled.
    assert seen == [[1], [4, 4, 4], [4], [4], [4], [5, 5, 5], [4]]
    assert not batches.works
    with pytest.raises(RuntimeError, match='closing'):
        batches.submit(images[0])
