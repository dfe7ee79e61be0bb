"""Every score says in a line what a high value means."""
import inspect

from mmseg_uncertainty.functional.prediction_sets import SetFamily
from mmseg_uncertainty.models import decode_heads
from mmseg_uncertainty.models.score_meanings import SCORE_MEANINGS, SET_MEANINGS


def test_every_score_and_set_family_has_its_line():
    scores = {name for name, found in inspect.getmembers(decode_heads, inspect.isclass)
              if vars(found).get('info') is not None and not inspect.isabstract(found)}
    assert set(SCORE_MEANINGS) == scores
    assert all(len(line) < 120 and line.endswith('.') for line in (*SCORE_MEANINGS.values(), *SET_MEANINGS.values()))
    assert all(SetFamily(name.lower()) for name in SET_MEANINGS)
