"""A watch on a stream of frames without labels; plain Python and NumPy, to embed where the model runs."""
from __future__ import annotations

import math
from bisect import insort
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from mmseg_uncertainty.functional.betting import BOTH_WAYS, SMALL_ONLY, PowerMixture, SimpleJumper, alarm_log_wealth
from mmseg_uncertainty.functional.stream_p_values import (
    bounded_p_value, smoothed_p_value, tail_bounds, thinned, two_sided)

from .json_files import write_json
from .json_state import read_state

FORMAT, KIND = 1, 'stream monitor'
REFERENCES = ('online', 'fixed')


@dataclass(frozen=True)
class MonitorState:
    """What is known after a frame.

    Args:
        frame: Number of frames seen, from 1 on.
        tested: Whether this frame completed a run and was tested.
        p_value: p-value of the last tested run, in (0, 1]; NaN before the first.
        log_wealth: Natural logarithm of the gamblers' wealth.
        alarm: Whether the wealth has reached 1 / level, now or before.
    """

    frame: int
    tested: bool
    p_value: float
    log_wealth: float
    alarm: bool


class StreamMonitor:
    """Raise an alarm once the frames of a stream no longer look like the calibration frames.

    The chance of *ever* raising an alarm while nothing has changed is at most ``level``:

    - ``reference='online'``: where calibration frames and tested frames are exchangeable. Each tested frame joins the reference,
      so that p-values are independent; after a change the reference takes the new frames in, and an alarm that was not
      raised soon may never be.
    - ``reference='fixed'``: where they are independent draws of one distribution. The p-values lie above the true
      chance with probability 1 - level / 2 over the calibration set, and the other half is left for the bets. It notices
      small changes later and never gets used to a change.

    Neighbouring frames of a video are neither: take one in ``every``, so many that two of them are as different as two
    calibration frames are. What remains of their dependence voids the promise.

    Args:
        calibration_statistics: One number for each calibration frame, such as its mean uncertainty; in the order of the frames
            where ``calibration_every`` is not 1.
        level: Chance of ever raising a false alarm, in (0, 1).
        reference: ``'online'`` or ``'fixed'``.
        every: Frames of one run, of which one number is tested.
        pool: What a run is tested by: its ``'first'`` frame or the ``'mean'`` of its frames.
        calibration_every: Frames of a run of the calibration; default: ``every``. Give 1 for frames that do not depend on each
            other, which only ``pool='first'`` allows.
        jump: Share of their wealth that gamblers exchange; see :class:`~mmseg_uncertainty.functional.betting.SimpleJumper`.
        seed: Seed of the random tie-breaks of ``'online'``.
        on_alarm: Called with the state once, when the alarm is raised.

    Raises:
        ValueError: An option is out of range, a statistic is not finite, or there are too few frames.

    Examples:
        >>> monitor = StreamMonitor(np.linspace(0, 1, 200), level=0.01)
        >>> state = [monitor.update(value) for value in np.linspace(1.5, 2, 20)][-1]
        >>> state.alarm, state.frame
        (True, 20)
    """

    def __init__(self,
                 calibration_statistics: Sequence[float] | np.ndarray,
                 level: float = 0.01,
                 reference: str = 'online',
                 every: int = 1,
                 pool: str = 'first',
                 calibration_every: int | None = None,
                 jump: float = 0.01,
                 seed: int = 0,
                 on_alarm: Callable[[MonitorState], None] | None = None) -> None:
        calibration_every = every if calibration_every is None else calibration_every
        if reference not in REFERENCES:
            raise ValueError(f'StreamMonitor: reference={reference!r} is unknown; choose from {REFERENCES}.')
        if pool == 'mean' and calibration_every != every:
            raise ValueError(f'StreamMonitor: means of {every} frames are compared with means of as many, not of '
                             f"calibration_every={calibration_every}. Leave it out, or use pool='first'.")
        values = thinned(calibration_statistics, calibration_every, pool)
        thinned([], every, pool)
        if not len(values) or not np.isfinite(values).all():
            raise ValueError(f'StreamMonitor: {len(values)} calibration values after taking one in {calibration_every}, '
                             f'{int((~np.isfinite(values)).sum())} of them not finite; expected at least one, all finite.')
        alarm_log_wealth(level)
        self.options = dict(level=level, reference=reference, every=every, pool=pool, jump=jump, seed=seed)
        self.reference, self.on_alarm = np.sort(values).tolist(), on_alarm
        self.frame, self.pending, self.alarm_frame = 0, [], None
        self.p_value, self.log_wealth = math.nan, 0.0
        self._start()

    def _start(self) -> None:
        """What follows from the options alone."""
        level, online = self.options['level'], self.options['reference'] == 'online'
        self.alarm_at = alarm_log_wealth(level if online else level / 2)
        self.power = PowerMixture()
        self.jumper = SimpleJumper(BOTH_WAYS if online else SMALL_ONLY, self.options['jump'])
        self.random = np.random.default_rng(self.options['seed'])
        self.bounds = None if online else tail_bounds(len(self.reference), level / 2)

    def update(self, value: float) -> MonitorState:
        """Count one more frame.

        Args:
            value: Its statistic, as of the calibration frames.

        Raises:
            ValueError: It is not finite; nothing is counted then.
        """
        value = float(value)
        if not math.isfinite(value):
            raise ValueError(f'StreamMonitor: the statistic of frame {self.frame + 1} is {value}, expected a finite number.')
        self.frame += 1
        self.pending.append(value)
        tested = len(self.pending) == self.options['every']
        if tested:
            self._test(float(thinned(self.pending, self.options['every'], self.options['pool'])[0]))
            self.pending = []
        raised = self.alarm_frame is None and self.log_wealth >= self.alarm_at
        self.alarm_frame = self.frame if raised else self.alarm_frame
        state = MonitorState(self.frame, tested, self.p_value, self.log_wealth, self.alarm)
        if raised and self.on_alarm is not None:
            self.on_alarm(state)
        return state

    @property
    def alarm(self) -> bool:
        """Whether the alarm was raised; it stays so."""
        return self.alarm_frame is not None

    def _test(self, value: float) -> None:
        reference = np.asarray(self.reference)
        if self.bounds is None:
            self.p_value = float(smoothed_p_value(reference, value, 1 - self.random.random()))
            insort(self.reference, value)
        else:
            opposite = bounded_p_value(-reference[::-1], -value, self.bounds)
            self.p_value = float(two_sided(bounded_p_value(reference, value, self.bounds), opposite))
        # The mean of two martingales is one.
        self.log_wealth = float(np.logaddexp(self.power.bet(self.p_value), self.jumper.bet(self.p_value)) - math.log(2))

    def state(self) -> dict:
        """Everything that continues the watch, as plain JSON."""
        return dict(
            kind=KIND, format=FORMAT, options=self.options, reference=self.reference, frame=self.frame, pending=self.pending,
            alarm_frame=self.alarm_frame, log_wealth=self.log_wealth, power=self.power.state(), jumper=self.jumper.state(),
            p_value=None if math.isnan(self.p_value) else self.p_value, random=self.random.bit_generator.state)

    @classmethod
    def from_state(cls, state: dict, on_alarm: Callable[[MonitorState], None] | None = None) -> StreamMonitor:
        """Continue from :meth:`state`."""
        monitor = cls(state['reference'], **state['options'] | dict(every=1, pool='first'), on_alarm=on_alarm)
        monitor.options, monitor.reference = dict(state['options']), list(state['reference'])
        monitor.frame, monitor.pending, monitor.alarm_frame = state['frame'], list(state['pending']), state['alarm_frame']
        monitor.p_value = math.nan if state['p_value'] is None else state['p_value']
        monitor.log_wealth = state['log_wealth']
        monitor.power.restore(state['power'])
        monitor.jumper.restore(state['jumper'])
        monitor.random.bit_generator.state = state['random']
        return monitor

    def save(self, path: str | Path) -> None:
        """Write the state to a JSON file, which appears whole or not at all."""
        write_json(path, self.state())

    @classmethod
    def load(cls, path: str | Path, on_alarm: Callable[[MonitorState], None] | None = None) -> StreamMonitor:
        """Continue from a file of :meth:`save`.

        Raises:
            ValueError: The file is no state of a monitor.
        """
        return cls.from_state(read_state(path, KIND, FORMAT, ('options', 'reference', 'power', 'jumper')), on_alarm)


def as_row(state: MonitorState) -> dict:
    """State as a plain dict, NaN as ``None``."""
    return {key: None if isinstance(value, float) and math.isnan(value) else value for key, value in asdict(state).items()}
