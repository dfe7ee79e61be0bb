"""Watch a stream of frames, and raise an alarm when it changes."""
from __future__ import annotations

import argparse
import csv
import sys
from collections.abc import Mapping, Sequence

import mmseg_uncertainty.registered  # noqa: F401  (connects the host before configs are read)

from mmseg_uncertainty.apis import UncertaintyInferencer
from mmseg_uncertainty.apis.frame_statistics import FrameStatistics
from mmseg_uncertainty.runtime.json_files import write_json
from mmseg_uncertainty.runtime.output_files import check_output_folder, whole_file
from mmseg_uncertainty.runtime.stream_monitor import MonitorState, StreamMonitor
from mmseg_uncertainty.visualization.stream_plot import plot_stream

ALARM = 3


def execute(args: argparse.Namespace) -> None:
    """Run the command."""
    check_output_folder(args.out, '--out')
    inferencer = UncertaintyInferencer(args.model, args.checkpoint, args.device, show_progress=False)
    statistics = FrameStatistics(inferencer, args.statistic, args.out / 'numbers.json')
    calibration = list(statistics.measure(args.calibration, args.every, 'calibration').values())
    monitor = StreamMonitor(calibration, args.level, args.reference)
    stream = statistics.measure(args.inputs, args.every, 'stream')
    states = [monitor.update(number) for number in stream.values()]
    write_frames(args, stream, states)
    monitor.save(args.out / 'monitor.json')
    write_json(args.out / 'summary.json', dict(
        alarm=monitor.alarm, alarm_at=list(stream)[monitor.alarm_frame - 1] if monitor.alarm else None, frames=len(states),
        calibration_frames=len(calibration), level=args.level, reference=args.reference, every=args.every,
        statistic=args.statistic, log_wealth=monitor.log_wealth, model=inferencer.model.provenance))
    plot_stream(list(stream.values()), states, calibration, monitor.alarm_at, args.statistic, args.out / 'monitor.png')
    if monitor.alarm:
        print(f'Alarm at frame {monitor.alarm_frame} of {len(states)}, {list(stream)[monitor.alarm_frame - 1]}; results: {args.out}')
        sys.exit(ALARM)
    print(f'No alarm in {len(states)} frames; results: {args.out}')


def write_frames(args: argparse.Namespace, numbers: Mapping[str, float], states: Sequence[MonitorState]) -> None:
    """Write a line for each frame."""
    with whole_file(args.out / 'frames.csv') as partial, partial.open('w', newline='', encoding='utf-8') as file:
        writer = csv.writer(file)
        writer.writerow(['frame', 'name', args.statistic, 'p_value', 'log_wealth', 'alarm'])
        writer.writerows([state.frame, name, number, state.p_value, state.log_wealth, int(state.alarm)]
                         for (name, number), state in zip(numbers.items(), states))
