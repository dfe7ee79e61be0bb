"""Parsers of the commands; importing this imports nothing that takes time."""
from __future__ import annotations

import argparse
import re
import sys
from typing import Any, NoReturn

from mmseg_uncertainty.runtime.near_names import did_you_mean
from mmseg_uncertainty.runtime.option_types import number_between, whole_number

from .names import CACHE_PRECISIONS, LAUNCHERS, one_of

LARGEST_SIDE = 8192
UNRECOGNIZED = re.compile(r'^unrecognized arguments: (--[\w-]+)')


class CommandParser(argparse.ArgumentParser):
    """A parser that names the option nearest to one that it does not know."""

    def parse_known_args(self, args=None, namespace=None):
        """Parse, unless a word is empty: mostly a variable of the shell that is not set."""
        words = list(sys.argv[1:] if args is None else args)
        option = None
        for word in words:
            name, given, value = word.partition('=')
            option = name if name.startswith('--') else option
            if not word or name.startswith('--') and given and not value:
                what = f'{option}: its value' if option else 'a word before the options'
                self.error(f'{what} is empty, as where a variable of the shell is not set. Give a value, or leave it out.')
        return super().parse_known_args(words, namespace)

    def error(self, message: str) -> NoReturn:
        """End with the usage and the message."""
        unknown = UNRECOGNIZED.match(message)
        if unknown:
            known = [name for name in self._option_string_actions if name.startswith('--')]
            message += f'.{did_you_mean(unknown[1], known)}'
        super().error(message)


class ConfigOptions(argparse.Action):
    """``KEY=VALUE`` pairs as mmengine reads them, which is imported once there are any."""

    def __call__(self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any,
                 option_string: str | None = None) -> None:
        """Parse the pairs."""
        for pair in values:
            if not pair.partition('=')[0] or '=' not in pair:
                parser.error(f'argument {option_string}: {pair!r} is no KEY=VALUE, such as model.decode_head.num_classes=4')
        from mmengine.config import DictAction
        DictAction(self.option_strings, self.dest, nargs='+')(parser, namespace, values, option_string)


def add_model(parser: argparse.ArgumentParser, checkpoint: str = 'of a config; a named model has its own') -> None:
    """Add the model, by config and checkpoint or by name."""
    parser.add_argument('model', metavar='CONFIG|NAME',
                        help='a config, also mmseg::FOLDER/CONFIG.py of the zoo, or the name of a model (mmseg-uncertainty models)')
    parser.add_argument('checkpoint', metavar='CHECKPOINT', nargs='?', help=checkpoint)


def add_debug(parser: argparse.ArgumentParser) -> None:
    """Add ``--debug``, which every command has."""
    parser.add_argument('--debug', action='store_true', help='show the traceback of errors')


def add_config_options(parser: argparse.ArgumentParser, example: str) -> None:
    """Add ``--cfg-options``."""
    parser.add_argument('--cfg-options', nargs='+', action=ConfigOptions, metavar='KEY=VALUE',
                        help=f'change values of the config, such as {example}')


def add_launcher(parser: argparse.ArgumentParser, what: str = 'the processes') -> None:
    """Add ``--launcher``."""
    parser.add_argument('--launcher', type=one_of(LAUNCHERS), default='none', metavar='NAME',
                        help=f'what started {what}, where there are several: {", ".join(LAUNCHERS)}; default: none')


def add_cache_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--cache`` and what belongs to it."""
    parser.add_argument('--cache', metavar='DIR', help='keep what the base model computes here, and read it again')
    parser.add_argument('--cache-precision', type=one_of(CACHE_PRECISIONS), default='float16', metavar='NAME',
                        help='float32 gives the results of a run without cache bit for bit, float16 (default) takes half the '
                             'space')
    parser.add_argument('--cache-limit', type=number_between(0), default=50., metavar='GB',
                        help='how large DIR may grow; default: 50')


def size(text: str) -> tuple[int, int]:
    """Parse ``HEIGHTxWIDTH``."""
    try:
        height, width = map(whole_number(1, LARGEST_SIDE), text.lower().split('x'))
    except (ValueError, argparse.ArgumentTypeError):
        raise argparse.ArgumentTypeError(f'{text!r} is no HEIGHTxWIDTH of at most {LARGEST_SIDE} pixels each, such as '
                                         '256x512') from None
    return height, width
