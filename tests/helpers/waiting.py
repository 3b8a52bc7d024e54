"""What many tests share."""

from __future__ import annotations

import asyncio
import inspect
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from aiojobs_lite.clock import MICROSECONDS, SystemClock
from aiojobs_lite.telemetry.bus import Watch
from aiojobs_lite.telemetry.facts import Fact
from tests.helpers.pauses import pause

E = TypeVar("E", bound=Fact)
PATIENCE = 20.0  # seconds; a guard against hanging, never part of what is tested
SLOWNESS = 5.0  # seconds that a slow or busy machine may add to what is promised


class MovedClock(SystemClock):
    """The machine's clock, whose hands the test moves: no timer knows of it.

    Attributes:
        offset: By how many seconds.
    """

    offset = 0.0

    def now(self) -> int:
        return super().now() + round(self.offset * MICROSECONDS)


@contextmanager
def promised(seconds: float) -> Iterator[None]:
    """The block takes no longer than is promised, apart from what a slow machine adds."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started < seconds + SLOWNESS


async def next_fact(listener: Watch, kind: type[E]) -> E:
    """The next event of a kind; those before it are dropped."""
    async with asyncio.timeout(PATIENCE):
        async for event in listener:
            if isinstance(event, kind):
                return event
    raise AssertionError(f"the runner was closed before a {kind.__name__}")


async def until(condition: Callable[[], bool], look_every: float = 0, limit: float = PATIENCE) -> None:
    """Lets the event loop turn until a condition holds that no event announces; other processes need a pause."""
    try:
        async with asyncio.timeout(limit):
            while not condition():
                await pause(look_every)
    except TimeoutError:
        raise AssertionError(f"it did not come to hold: {_source_of(condition)}") from None


def _source_of(condition: Callable[[], bool]) -> str:
    try:
        return inspect.getsource(condition).strip()
    except (OSError, TypeError):
        return repr(condition)


def unmeasured() -> dict[str, str]:
    """The environment for a program whose coverage is not measured: one that looks at its own imports and output, or
    may not write where the measurements lie.
    """
    return {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}
