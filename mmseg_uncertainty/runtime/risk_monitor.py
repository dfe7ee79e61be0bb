"""A watch on a stream whose labels come late: has the risk left its promise, and which threshold keeps it."""
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mmseg_uncertainty.functional.running_risk import RunningRisk, rolling_step

from .json_files import write_json
from .json_state import read_state

FORMAT, KIND = 1, 'risk monitor'


@dataclass(frozen=True)
class RiskState:
    """What late labels say so far.

    Args:
        frames: Number of labelled frames.
        mean: Their mean loss.
        lower: Lower bound of the running risk.
        upper: Upper bound of the running risk.
        harmful: Whether the lower bound has exceeded promise and tolerance, now or before.
        parameter: Parameter for the next frame.
    """

    frames: int
    mean: float
    lower: float
    upper: float
    harmful: bool
    parameter: float


class RiskMonitor:
    """Compare the losses of a stream with a promise, and follow it with a parameter.

    The chance of ever calling a stream harmful whose running risk has always kept ``promise + tolerance`` is at most ``level``, for
    frames of any dependence; see :class:`~mmseg_uncertainty.functional.running_risk.RunningRisk`. A promise of ``crc`` is
    one on average over calibration sets: the alarm then says that *this* threshold loses more than α here, which may have been
    so from the start. With ``rcps`` false alarms have a chance of at most level + δ.

    The parameter follows Feldman et al., TMLR 2023 (:func:`~mmseg_uncertainty.functional.running_risk.rolling_step`): the mean
    loss goes to the promise in the long run if it is the one that is used, λ = 1 - threshold for prediction sets. The two answer
    different questions: losses of sets that follow tell little about whether the world has changed.

    Args:
        promise: Largest risk, in [0, 1].
        level: Chance of ever raising a false alarm, in (0, 1); either bound fails with this chance.
        tolerance: Risk above the promise that is still harmless.
        parameter: First parameter, larger is more careful.
        rate: How fast the parameter follows; 0 leaves it.

    Raises:
        ValueError: An option is out of range.

    Examples:
        >>> monitor = RiskMonitor(promise=0.1, rate=0.01, parameter=0.5)
        >>> state = [monitor.update(0.4) for _ in range(60)][-1]
        >>> state.harmful, round(state.parameter, 2)
        (True, 0.68)
    """

    def __init__(self, promise: float, level: float = 0.01, tolerance: float = 0.0, parameter: float = 0.0,
                 rate: float = 0.0) -> None:
        if not 0 <= promise <= 1 or tolerance < 0 or rate < 0:
            raise ValueError(f'RiskMonitor: promise={promise}, tolerance={tolerance}, rate={rate}; the promise lies in [0, 1] and '
                             'the others are not negative.')
        self.options = dict(promise=promise, level=level, tolerance=tolerance, rate=rate)
        self.parameter, self.harmful, self.risk = parameter, False, RunningRisk(level)

    def update(self, loss: float) -> RiskState:
        """Count the loss of one more frame, in the order of the frames.

        Raises:
            ValueError: It does not lie in [0, 1]; nothing is counted then.
        """
        self.risk.add(loss)
        lower = self.risk.lower
        self.harmful = self.harmful or lower > self.options['promise'] + self.options['tolerance']
        self.parameter = float(rolling_step(self.parameter, loss, self.options['promise'], self.options['rate']))
        return RiskState(self.risk.frames, self.risk.mean, lower, self.risk.upper, self.harmful, self.parameter)

    def save(self, path: str | Path) -> None:
        """Write the state to a JSON file, which appears whole or not at all."""
        write_json(path, dict(kind=KIND, format=FORMAT, options=self.options, parameter=self.parameter, harmful=self.harmful,
                              frames=self.risk.frames, total=self.risk.total, variance=self.risk.variance))

    @classmethod
    def load(cls, path: str | Path) -> RiskMonitor:
        """Continue from a file of :meth:`save`.

        Raises:
            ValueError: The file is no state of a monitor.
        """
        state = read_state(path, KIND, FORMAT, ('options', 'parameter', 'harmful', 'frames', 'total', 'variance'))
        monitor = cls(**state['options'], parameter=state['parameter'])
        monitor.harmful = state['harmful']
        monitor.risk.frames, monitor.risk.total, monitor.risk.variance = state['frames'], state['total'], state['variance']
        return monitor
