"""Time of day and weather of a rendered street."""
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CONDITIONS = {'sunny': 0.4, 'overcast': 0.3, 'dusk': 0.18, 'night': 0.12}
"""Names of the light conditions and how often each is drawn."""


@dataclass(frozen=True)
class Light:
    """What falls on the surfaces of a scene.

    Args:
        condition: One of :data:`CONDITIONS`.
        ambient: Gain of red, green and blue.
        sun: Where the sun stands, from −1 (left) to 1 (right).
        contrast: How much darker surfaces are that face away from the sun, from 0 to 1.
        shadow: Gain of shadowed ground, from 0 to 1.
        haze: Inverse of the distance in metres at which half of the light is haze.
        haze_colour: Colour of the haze, RGB from 0 to 255.
        zenith: Colour of the sky overhead.
    """

    condition: str
    ambient: np.ndarray
    sun: float
    contrast: float
    shadow: float
    haze: float
    haze_colour: np.ndarray
    zenith: np.ndarray

    @classmethod
    def sample(cls, rng: np.random.Generator, conditions: Sequence[str]) -> Light:
        """Draw a light out of ``conditions``."""
        weights = np.array([CONDITIONS[name] for name in conditions])
        condition = conditions[int(rng.choice(len(conditions), p=weights / weights.sum()))]
        tint = rng.uniform(-0.06, 0.06)
        ambient, haze_colour, zenith, contrast, shadow = {
            'sunny': _sunny,
            'overcast': _overcast,
            'dusk': _dusk,
            'night': _night
        }[condition](rng)
        return cls(
            condition=condition,
            ambient=(np.array(ambient) * (1 + tint, 1, 1 - tint)).astype(np.float32),
            sun=rng.uniform(-1, 1),
            contrast=contrast,
            shadow=shadow,
            haze=1 / rng.choice((40., 90., 200., 400.), p=(0.1, 0.25, 0.35, 0.3)),
            haze_colour=np.array(haze_colour, np.float32),
            zenith=np.array(zenith, np.float32))

    @property
    def is_dark(self) -> bool:
        """Whether lamps are on."""
        return self.condition in ('dusk', 'night')

    def facing(self, side: float) -> float:
        """Gain of a surface that looks to ``side``, −1 (left) to 1 (right)."""
        return 1 - self.contrast * (0.5 - 0.5 * self.sun * side)

    def fall(self, colour: np.ndarray, depth: np.ndarray | float, gain: np.ndarray | float = 1.0) -> np.ndarray:
        """Colour that reaches the camera.

        Args:
            colour: Colour of the surface, shape (\\*, 3), RGB from 0 to 255.
            depth: Distance in metres, shape (\\*, 1) or a number.
            gain: Factor for shading, shape (\\*, 1) or a number.
        """
        hazy = depth * self.haze
        share = hazy / (1 + hazy)
        return colour * (self.ambient * gain) * (1 - share) + self.haze_colour * share

    def fall_on_face(self, colour: Sequence[float], depth: float, gain: float) -> list[float]:
        """:meth:`fall` for one colour, ten times as fast."""
        hazy = depth * self.haze
        share = hazy / (1 + hazy)
        lit = gain * (1 - share)
        return [float(c) * float(a) * lit + float(h) * share for c, a, h in zip(colour, self.ambient, self.haze_colour)]


def _sunny(rng: np.random.Generator) -> tuple:
    level = rng.uniform(0.85, 1.25)
    return ((level, level * 0.98, level * 0.93), (205, 215, 225), (rng.uniform(60, 120), rng.uniform(120, 165), 225),
            rng.uniform(0.3, 0.6), rng.uniform(0.35, 0.6))


def _overcast(rng: np.random.Generator) -> tuple:
    level, grey = rng.uniform(0.6, 0.95), rng.uniform(140, 215)
    return ((level, level, level * 1.03), (grey, grey, grey + 5), (grey * 0.9, grey * 0.92, grey * 0.97),
            rng.uniform(0.05, 0.15), rng.uniform(0.75, 0.9))


def _dusk(rng: np.random.Generator) -> tuple:
    level = rng.uniform(0.3, 0.55)
    return ((level * 1.1, level * 0.95, level * 0.9), (rng.uniform(130, 210), rng.uniform(100, 140), 110),
            (rng.uniform(50, 80), rng.uniform(60, 90), rng.uniform(90, 130)), rng.uniform(0.2, 0.5), 0.75)


def _night(rng: np.random.Generator) -> tuple:
    level, glow = rng.uniform(0.16, 0.3), rng.uniform(18, 45)
    return ((level * 1.1, level, level * 0.9), (glow, glow * 0.9, glow * 0.8), (glow * 0.4, glow * 0.4, glow * 0.55),
            rng.uniform(0.1, 0.3), 0.8)
