"""Pictures look as the stored ones do; ``python -m tests.test_visualization.test_pictures`` draws these anew."""
from pathlib import Path

import cv2
import numpy as np
import pytest

from mmseg_uncertainty.datasets import ToyRoadsDataset
from mmseg_uncertainty.datasets.toy_roads import render_street_scene
from mmseg_uncertainty.runtime.answer_picture import draw_answer
from mmseg_uncertainty.runtime import findings
from mmseg_uncertainty.runtime.maps_page import draw_maps
from mmseg_uncertainty.runtime.prediction import Prediction
from mmseg_uncertainty.runtime.score_scale import ScoreScale

STORED = Path(__file__).with_name('stored')
PHONE = 412
META = ToyRoadsDataset.METAINFO
SCALES = dict(msp=ScoreScale('probability', 0., .875, .5, meaning='more likely another class'),
              energy=ScoreScale('logits', meaning='more unusual'))
PROMISE = dict(head='energy', text='at most 1 % of the right pixels of an image are flagged, on average', feasible=True,
               threshold=-4., kind='false_alarms')


def answer(prediction, scales, decisions, chosen=()):
    return findings.answer(prediction, scales, findings.flagged(prediction, scales, decisions, chosen))


def scene(size):
    """A toy street, and a prediction that is unsure, and wrong, at the borders of its classes."""
    image, truth = render_street_scene(key=[0, 2, 4], size=size, anomalies=False, conditions=('sunny', ))
    blurred = cv2.GaussianBlur(np.eye(8, dtype=np.float32)[np.minimum(truth, 7)], (0, 0), size[1] / 60)
    msp = (1 - blurred.max(axis=-1)).astype(np.float32)
    energy = 8 * msp - 8
    sizes = (blurred > .1).sum(axis=-1)
    return image, Prediction(blurred.argmax(axis=-1).astype(np.uint8), dict(msp=msp, energy=energy), sizes, None, truth,
                             dict(careful=energy > -4))


def pictures(size=(160, 256)):
    """Picture that answers and page of maps, by the name of the stored file."""
    image, prediction = scene(size)
    upright = Prediction(prediction.labels.T, {name: values.T for name, values in prediction.uncertainty.items()})
    drawn = (META['classes'], META['palette'])
    return dict(
        answer=draw_answer(image, prediction, *drawn, answer(prediction, SCALES, dict(careful=PROMISE)), 'street.png · toy model'),
        upright=draw_answer(image.transpose(1, 0, 2), upright, *drawn, answer(upright, SCALES, {}), 'street.png · toy model'),
        maps=draw_maps(image, prediction, *drawn, SCALES, dict(msp=(0, .875), energy=(-8, -2))))


def at_phone_size(picture):
    return cv2.resize(picture, (PHONE, picture.shape[0] * PHONE // picture.shape[1]), interpolation=cv2.INTER_AREA)


@pytest.mark.parametrize('name', ['answer', 'upright', 'maps'])
def test_pictures_look_as_stored(name):
    drawn = at_phone_size(pictures()[name]).astype(int)
    stored = cv2.imread(str(STORED / f'{name}.png'))[..., ::-1].astype(int)
    assert drawn.shape == stored.shape
    differences = np.abs(drawn - stored)
    # Typefaces and resizing differ a little between versions; a panel, a colour or a line that is missing differs more.
    assert differences.mean() < 1.5 and cv2.blur(differences.astype(np.float32), (15, 15)).max() < 25


@pytest.mark.parametrize(('size', 'longest'), [((37, 53), 1000), ((720, 1280), 1280), ((3000, 4000), 2000)])
def test_pictures_grow_with_the_image(size, longest):
    prediction = Prediction(np.zeros(size, np.uint8), dict(msp=np.zeros(size, np.float32)))
    picture = draw_answer(np.zeros((*size, 3), np.uint8), prediction, META['classes'], META['palette'],
                          answer(prediction, dict(msp=SCALES['msp']), {}))
    assert picture.shape[1] == longest


def test_what_is_flagged_is_told():
    _, prediction = scene((64, 96))
    share = 100 * prediction.flags['careful'].mean()
    promised, chosen, natural = (answer(prediction, SCALES, decisions, first) for decisions, first in (
        (dict(careful=PROMISE), ()), (dict(careful=PROMISE), ('msp', )), (dict(careful=dict(PROMISE, feasible=False)), ())))
    words = 'of the pixels are flagged, at the threshold of Energy that promises: at most 1 %'
    assert promised.sentence.startswith(f'{share:.1f} % {words}')
    assert chosen.name == 'msp' and chosen.share == pytest.approx((prediction.uncertainty['msp'] >= .5).mean())
    assert 'too few to promise' in natural.sentence
    without = Prediction(prediction.labels, dict(energy=prediction.uncertainty['energy']))
    highest = answer(without, dict(energy=SCALES['energy']), {})
    assert highest.sentence.startswith('No threshold is set') and highest.share == pytest.approx(.05, abs=.01)


if __name__ == '__main__':
    STORED.mkdir(exist_ok=True)
    for title, page in pictures().items():
        cv2.imwrite(str(STORED / f'{title}.png'), at_phone_size(page)[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 9])
