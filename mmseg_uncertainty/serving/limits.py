"""How much a service takes at once."""
from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds on the memory and the time of requests.

    Args:
        megabytes: Largest body of a request, in 10^6 bytes.
        megapixels: Largest image, in 10^6 pixels, looked up in its header before it is decoded.
        waiting: Most requests at once, from the first byte of the body to the answer; others are told to come back.
        batch: Most images of one size in one pass.
        seconds: How long the body of a request may take to arrive.
    """

    megabytes: float = 25.
    megapixels: float = 16.
    waiting: int = 64
    batch: int = 4
    seconds: float = 30.
