"""Finds a command, reads its options, and only then imports what it needs."""
from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from importlib import import_module
from types import ModuleType

from mmseg_uncertainty.runtime.command_line import run_plain_command

from mmseg_uncertainty.runtime.near_names import did_you_mean
from .parsing import CommandParser, add_debug
from .quiet_output import quiet_output

PROGRAM = 'mmseg-uncertainty'
COMMANDS = dict(
    infer='predict classes and uncertainty for images, folders and videos',
    fit='fit calibrators, prediction sets and scores to any model, on a folder of images and labels',
    test='measure how well uncertainty finds mistakes and unknown objects',
    report='measure, and write one HTML file with table, curves and images',
    train='train a base model, or fit what a config describes',
    app='look at thresholds, promises and uncertainty in the browser',
    serve='predict images that come by HTTP',
    export='write a model with its uncertainty to ONNX or TorchScript',
    sweep='measure models on datasets under corruptions',
    rank='find the images that are most worth a label, and list them for labelling tools',
    monitor='watch a stream of frames without labels, and raise an alarm when it changes',
    submit='write the files of SegmentMeIfYouCan, Fishyscapes and BRAVO, and check them',
    models='list the models that go by a name',
    datasets='list the datasets that can be read, and what of them is missing')


def main(arguments: Sequence[str] | None = None, prog: str = PROGRAM) -> None:
    """Run the command that the first word names."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or words[0] in ('-h', '--help'):
        print(usage(prog))
    elif words[0] == '--version':
        from mmseg_uncertainty import __version__
        print(f'{PROGRAM} {__version__}')
    elif words[0] not in COMMANDS:
        sys.exit(f'{prog}: {words[0]!r} is no command.{did_you_mean(words[0], COMMANDS)} Commands: {", ".join(COMMANDS)}.')
    else:
        run(words[0], words[1:], f'{prog} {words[0]}')


def usage(prog: str = PROGRAM) -> str:
    """All commands, one a line."""
    lines = [f'  {name:<8} {text}' for name, text in COMMANDS.items()]
    return '\n'.join([f'usage: {prog} COMMAND …   ({prog} COMMAND --help for its options)', '', *lines])


def run(name: str, arguments: Sequence[str] | None = None, prog: str | None = None) -> None:
    """Run a command; an error that explains itself, and Ctrl+C, end it with one line.

    Args:
        name: Name of the command.
        arguments: Its words; those of this process by default.
        prog: How it was called, for its help.
    """

    def start() -> None:
        options = import_module(f'.options.{name}', __package__)
        args = parse(name, arguments, prog)
        on_interrupt = getattr(options, 'ON_INTERRUPT', 'Run the same command again.')
        if getattr(options, 'runs_plain', lambda args: False)(args):
            run_plain_command(lambda: execute(name, args), on_interrupt=on_interrupt)
        else:
            from mmseg_uncertainty.apis.command_line import run_command
            run_command(lambda: execute(name, args), on_interrupt)

    with nullcontext() if '--debug' in (arguments or sys.argv) else quiet_output():
        run_plain_command(start)


def call(name: str, arguments: Sequence[str] | None = None, prog: str | None = None) -> None:
    """Run a command and raise its errors; see :func:`run`."""
    execute(name, parse(name, arguments, prog))


def parse(name: str, arguments: Sequence[str] | None = None, prog: str | None = None) -> argparse.Namespace:
    """Read the options of a command."""
    options: ModuleType = import_module(f'.options.{name}', __package__)
    parser = CommandParser(prog=prog, description=options.__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_options(parser)
    add_debug(parser)
    args = parser.parse_args(arguments)
    if hasattr(options, 'check'):
        options.check(parser, args)
    return args


def execute(name: str, args: argparse.Namespace) -> None:
    """Import a command and run it."""
    import_module(f'.{name}', __package__).execute(args)
