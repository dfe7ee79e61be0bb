"""Hints of messages about unknown names."""
from mmseg_uncertainty.runtime.near_names import did_you_mean

NAMES = ('IDM', 'energy', 'entropy')


def test_the_name_that_is_most_alike_is_told_whatever_the_case():
    assert did_you_mean('idn', NAMES) == ' Did you mean IDM?'
    assert did_you_mean('ENTROPI', NAMES) == ' Did you mean entropy?'


def test_nothing_is_told_where_none_is_alike():
    assert did_you_mean('zzz', NAMES) == did_you_mean('energy', ()) == ''


def test_several_are_told_the_most_alike_first():
    assert did_you_mean('enrgy', ('energy_mean', 'energy', 'x'), most=2) == ' Did you mean energy or energy_mean?'


def test_a_lower_cutoff_tells_more():
    assert did_you_mean('maha', ['mahalanobis']) == ''
    assert did_you_mean('maha', ['mahalanobis'], cutoff=0.4) == ' Did you mean mahalanobis?'


def test_a_name_is_written_as_the_message_wants():
    assert did_you_mean('enrgy', NAMES, shown=repr) == " Did you mean 'energy'?"
