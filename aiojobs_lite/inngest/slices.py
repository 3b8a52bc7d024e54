"""Work of the event loop in slices: what is large is done step by step, and between the slices others go on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator
from typing import Final, TypeVar

T = TypeVar("T")
Steps = Generator[None, None, T]
"""A computation that may rest where it yields."""

SLICE_S: Final = 0.004
"""How long the event loop is held, about."""

_RESTS: Final = 2.0  # times as long do others go on behind each slice
_LONGEST_S: Final = 0.5  # of a slice: one that took longer has waited, for a database that was locked, say


class Slices:
    """Has some work rest after each slice.

    Attributes:
        taken: Seconds of the processor that the work took so far.
    """

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        """The work is measured by a clock, in seconds."""
        self._monotonic = monotonic
        self.taken = 0.0
        self._begin()

    async def rest(self) -> None:
        """Returns at once, but after each slice: then when others have gone on."""
        took = self._monotonic() - self._begun
        if took >= SLICE_S:
            self._count()
            try:
                await asyncio.sleep(_RESTS * min(took, _LONGEST_S))
            finally:
                self._begin()

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
            self._begin()

    def _begin(self) -> None:
        self._begun, self._used = self._monotonic(), time.thread_time()

    def _count(self) -> None:
        self.taken += time.thread_time() - self._used


def finish(steps: Steps[T]) -> T:
    """What comes of a computation, without rests."""
    while True:
        try:
            next(steps)
        except StopIteration as done:
            found: T = done.value
            return found
