"""Types of numbers on a command line; each says what it expects."""
from __future__ import annotations

import argparse
import math
from collections.abc import Callable


def whole_number(least: int = 1, most: int | None = None) -> Callable[[str], int]:
    """A type of an argparse option: whole numbers from ``least`` on, or up to ``most``."""
    expected = f'a whole number from {least} to {most}' if most is not None else f'a whole number, {least} or more'

    def number(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least or most is not None and value > most:
            raise argparse.ArgumentTypeError(f'{text!r} does not fit, expected {expected}')
        return value

    return number


def number_between(least: float, most: float = math.inf, open_ended: bool = False) -> Callable[[str], float]:
    """A type of an argparse option: finite numbers in an interval, ``open_ended`` without its two ends."""
    interval = f'from {least:g} to {most:g}' if math.isfinite(most) else f'of {least:g} or more'
    expected = f'a number {f"between {least:g} and {most:g}" if open_ended else interval}'

    def number(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        inside = least < value < most if open_ended else least <= value <= most
        if not (inside and math.isfinite(value)):
            raise argparse.ArgumentTypeError(f'{text!r} does not fit, expected {expected}')
        return value

    return number
