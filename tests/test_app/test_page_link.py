"""What a link says is taken only where the page offers it."""
import pytest

from mmseg_uncertainty.app.page_link import choice, keep, number


@pytest.mark.parametrize('text, expected', [('0.2', 0.2), ('0', 0), ('7', None), ('nan', None), ('<script>', None), ('', None)])
def test_numbers_are_in_their_range(text, expected):
    assert number(dict(alpha=text), 'alpha', 0, 1) == expected
    assert number({}, 'alpha', 0, 1) is None


def test_words_are_known():
    assert choice(dict(head='msp'), 'head', ['msp']) == 'msp' and choice(dict(head='other'), 'head', ['msp']) is None
    assert "['head']" in keep(['head'])
