"""Nobody gets rich on exchangeable frames more often than the level allows, and everybody does on shifted ones."""
import numpy as np
import pytest
from scipy.integrate import quad

from mmseg_uncertainty.functional.betting import BOTH_WAYS, SMALL_ONLY, PowerMixture, SimpleJumper, alarm_log_wealth, log_wealth
from mmseg_uncertainty.functional.stream_p_values import bounded_p_value, smoothed_p_value, tail_bounds

STREAMS, FRAMES, LEVEL = 1000, 150, 0.1
GAMBLERS = dict(power=PowerMixture, both_ways=SimpleJumper, small_only=lambda: SimpleJumper(SMALL_ONLY))


def online_p_values(calibration, tested, generator):
    """Each frame joins the reference once it was tested."""
    values, size, p_values = np.hstack([calibration, tested]), calibration.shape[1], np.empty(tested.shape)
    for index in range(tested.shape[1]):
        reference, value = values[:, :size + index], values[:, size + index, None]
        above, ties = (reference > value).sum(axis=1), (reference == value).sum(axis=1)
        p_values[:, index] = (above + (1 - generator.random(len(values))) * (ties + 1)) / (size + index + 1)
    return p_values


def alarms(p_values, gamblers, level=LEVEL):
    return (log_wealth(p_values, gamblers) >= alarm_log_wealth(level)).any(axis=1)


def allowed(level, streams=STREAMS):
    return level + 2 * np.sqrt(level * (1 - level) / streams)


@pytest.fixture(scope='module')
def exchangeable():
    generator = np.random.default_rng(3)
    # A number of its own for each stream: its frames are exchangeable without being independent.
    centre = generator.normal(size=(STREAMS, 1))
    values = centre + generator.normal(size=(STREAMS, 20 + FRAMES))
    return online_p_values(values[:, :20], values[:, 20:], generator)


@pytest.mark.parametrize('name', GAMBLERS)
def test_online_p_values_keep_the_level(exchangeable, name):
    assert alarms(exchangeable, GAMBLERS[name]()).mean() <= allowed(LEVEL)


@pytest.mark.parametrize('size', [30, 200])
@pytest.mark.parametrize('name', ['power', 'small_only'])
def test_bounded_p_values_of_a_fixed_set_keep_the_level(name, size):
    generator, bounds = np.random.default_rng(4), tail_bounds(size, LEVEL / 2)
    p_values = np.array([bounded_p_value(np.sort(generator.normal(size=size)), generator.normal(size=FRAMES), bounds)
                         for _ in range(STREAMS)])
    assert alarms(p_values, GAMBLERS[name](), LEVEL / 2).mean() <= allowed(LEVEL)


def test_a_small_fixed_set_without_correction_breaks_the_level():
    generator = np.random.default_rng(5)
    p_values = np.array([smoothed_p_value(np.sort(generator.normal(size=20)), generator.normal(size=FRAMES),
                                          1 - generator.random(FRAMES)) for _ in range(STREAMS)])
    rates = {name: alarms(p_values, gamblers()).mean() for name, gamblers in GAMBLERS.items()}
    assert min(rates.values()) > 1.5 * LEVEL and rates['both_ways'] > 3 * LEVEL, rates


@pytest.mark.parametrize('name', GAMBLERS)
def test_a_shift_is_seen_soon(name):
    generator = np.random.default_rng(6)
    before, after = generator.normal(size=(200, 80)), generator.normal(2.0, size=(200, 40))
    wealth = log_wealth(online_p_values(before[:, :50], np.hstack([before[:, 50:], after]), generator), GAMBLERS[name]())
    delay = (wealth >= alarm_log_wealth(0.01)).argmax(axis=1) - 30
    assert (wealth[:, -1] > 0).all() and np.median(delay) < 25


@pytest.mark.parametrize('gamblers', [PowerMixture(nodes=10), SimpleJumper(BOTH_WAYS, 0.3), SimpleJumper(SMALL_ONLY, 0.3)],
                         ids=['power', 'both_ways', 'small_only'])
def test_a_bet_is_fair_for_uniform_p_values_whatever_came_before(gamblers):
    before = gamblers.bet(0.2)
    state = gamblers.state()

    def pay(root):
        gamblers.restore(state)
        return np.exp(gamblers.bet(root**20) - before) * 20 * root**19

    assert quad(pay, 0, 1, limit=200)[0] == pytest.approx(1, abs=2e-3)


def test_gamblers_on_small_p_values_never_gain_by_larger_ones():
    grid = np.linspace(0.001, 1, 50)
    for gamblers in (PowerMixture(), SimpleJumper(SMALL_ONLY)):
        paid = gamblers.bet(grid)
        assert (np.diff(paid) < 0).all()


def test_wealth_is_that_of_each_gambler_added_up():
    p_values = np.random.default_rng(7).random(12)
    powers = (np.arange(100) + 0.5) / 100
    expected = np.mean(np.prod(powers * p_values[:, None]**(powers - 1), axis=0))
    assert np.exp(log_wealth(p_values, PowerMixture())[-1]) == pytest.approx(expected, rel=1e-12)
    shares = np.full(3, 1 / 3)
    for p_value in p_values:
        shares = (0.9 * shares + 0.1 * shares.sum() / 3) * (1 + np.array(BOTH_WAYS) * (p_value - 0.5))
    assert np.exp(log_wealth(p_values, SimpleJumper(jump=0.1))[-1]) == pytest.approx(shares.sum(), rel=1e-12)


def test_very_long_streams_neither_overflow_nor_end():
    for gamblers in (PowerMixture(), SimpleJumper()):
        wealth = log_wealth(np.r_[np.zeros(2000), np.ones(5000)], gamblers)
        assert np.isfinite(wealth).all() and wealth[1999] > 500


def test_what_is_out_of_range_is_refused():
    with pytest.raises(ValueError, match='level=1'):
        alarm_log_wealth(1)
    for options in (dict(bets=[3.0]), dict(jump=2.0)):
        with pytest.raises(ValueError, match='bets lie in'):
            SimpleJumper(**options)
