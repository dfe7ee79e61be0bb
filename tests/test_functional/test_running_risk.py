"""Bounds of the running risk hold at all times at once, and thresholds that follow the risk keep it in the long run."""
import numpy as np
import pytest

from mmseg_uncertainty.functional.running_risk import BETS, COSTS, RunningRisk, rolling_excess, rolling_step

STREAMS, FRAMES, LEVEL = 1000, 300, 0.1


def ever_refuted(losses, risks, level=LEVEL):
    """Whether the lower bound of each stream ever exceeds its true running risk, for all streams at once."""
    total = np.cumsum(losses, axis=1)
    seen = np.arange(losses.shape[1])
    predicted = (0.5 + total - losses) / (1 + seen)
    variance = np.cumsum((losses - predicted)**2, axis=1)
    logs = BETS * (total - np.cumsum(risks, axis=1))[..., None] - COSTS * variance[..., None]
    return (np.log(np.exp(logs).mean(axis=-1)) >= -np.log(level)).any(axis=1)


@pytest.mark.parametrize('kind', ['rare', 'beta', 'drifting'])
def test_the_bound_fails_at_no_time_more_often_than_allowed(kind):
    generator = np.random.default_rng(0)
    risks = np.broadcast_to(dict(rare=0.05, beta=0.2, drifting=np.linspace(0.02, 0.4, FRAMES))[kind], (STREAMS, FRAMES))
    losses = generator.beta(risks * 4, 4 - risks * 4) if kind == 'beta' else generator.random(risks.shape) < risks
    rate = ever_refuted(losses.astype(float), risks).mean()
    assert rate <= LEVEL + 2 * np.sqrt(LEVEL * (1 - LEVEL) / STREAMS)


def test_the_class_is_the_formula():
    losses = np.random.default_rng(1).random(60)**2
    risk = RunningRisk(LEVEL)
    for index, loss in enumerate(losses, 1):
        risk.add(loss)
        if 0 < risk.lower:
            for around, expected in ((-1e-6, True), (1e-6, False)):
                seen = losses[:index]
                predicted = (0.5 + np.cumsum(seen) - seen) / (1 + np.arange(index))
                exponents = BETS * (seen - risk.lower - around).sum() - COSTS * ((seen - predicted)**2).sum()
                assert (np.exp(exponents).mean() >= 1 / LEVEL) == expected
    assert 0 < risk.lower < risk.mean < risk.upper < 1 and risk.mean == pytest.approx(losses.mean())
    mirrored = RunningRisk(LEVEL)
    for loss in losses:
        mirrored.add(1 - loss)
    assert mirrored.lower == pytest.approx(1 - risk.upper, abs=1e-9)


def test_small_variance_gives_close_bounds():
    steady, noisy = RunningRisk(LEVEL), RunningRisk(LEVEL)
    for index in range(200):
        steady.add(0.1)
        noisy.add(float(index % 10 == 0))
    assert steady.lower > 0.07 > noisy.lower > 0


def test_a_harmful_shift_is_seen_and_a_harmless_one_is_not():
    generator, harmed = np.random.default_rng(2), RunningRisk(0.01)
    for loss in generator.beta(2, 18, 50).tolist() + generator.beta(6, 14, 100).tolist():
        harmed.add(loss)
    assert harmed.lower > 0.1
    harmless = RunningRisk(0.01)
    for loss in generator.beta(1, 19, 500):
        harmless.add(loss)
    assert harmless.lower < 0.1


@pytest.mark.parametrize('adversary', ['shift', 'random', 'worst'])
def test_a_rolling_threshold_keeps_the_risk_of_any_sequence(adversary):
    generator, target, rate, start = np.random.default_rng(3), 0.1, 0.05, 0.2
    parameter, losses = start, []
    for frame in range(500):
        hard = dict(shift=1.0 if frame > 250 else 0.3, random=generator.random(), worst=1.0)[adversary]
        losses.append(min(max(hard - parameter, 0), 1) if adversary != 'worst' else float(parameter < 1))
        parameter = rolling_step(parameter, losses[-1], target, rate)
        assert np.mean(losses) <= target + rolling_excess(start, 1.0, rate, frame + 1) + 1e-12


def test_the_excess_of_a_rolling_threshold_is_reached():
    parameter, losses = 0.5, []
    for _ in range(6):  # the adversary harms as long as it can
        losses.append(float(parameter < 1))
        parameter = rolling_step(parameter, losses[-1], 0.0, 0.125)
    assert sum(losses) == 4 <= 6 * rolling_excess(0.5, 1, 0.125, 6) == 5


def test_what_is_out_of_range_is_refused():
    with pytest.raises(ValueError, match='level=0'):
        RunningRisk(0)
    with pytest.raises(ValueError, match=r'loss=1.5 must lie in \[0, 1\]'):
        RunningRisk(0.1).add(1.5)
