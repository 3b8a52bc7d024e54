"""Work of the event loop in slices: what is large is done step by step, and between the slices others go on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Generator
from typing import Final, TypeVar

T = TypeVar("T")
Steps = Generator[None, None, T]
"""A computation that may rest where it yields."""

SLICE_S: Final = 0.004
"""How long the event loop is held, about."""

_RESTS: Final = 2.0  # times as long do others go on behind each slice


class Slices:
    """Counts the time of the event loop that some work takes, and has it rest.

    Attributes:
        taken: Seconds so far.
    """

    def __init__(self) -> None:
        self.taken = 0.0
        self._begun = time.monotonic()

    async def rest(self) -> None:
        """Returns at once, but after each slice: then when others have gone on."""
        if time.monotonic() - self._begun >= SLICE_S:
            took = self._count()
            await asyncio.sleep(_RESTS * took)
            self._begun = time.monotonic()

    async def run(self, steps: Steps[T]) -> T:
        """What comes of a computation."""
        try:
            while True:
                next(steps)
                await self.rest()
        except StopIteration as done:
            found: T = done.value
            return found
        finally:
            self._count()

    def _count(self) -> float:
        now = time.monotonic()
        took, self._begun = now - self._begun, now
        self.taken += took
        return took


def finish(steps: Steps[T]) -> T:
    """What comes of a computation, without rests."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            found: T = done.value
            return found
