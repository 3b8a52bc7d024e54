"""What many tests share."""

from __future__ import annotations

import asyncio
import inspect
import os
from collections.abc import Callable
from typing import Any, TypeVar

import aiosqlite

from aiojobs_lite.clock import MICROSECONDS, SystemClock
from aiojobs_lite.telemetry.bus import Watch
from aiojobs_lite.telemetry.facts import Fact
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.pauses import pause

E = TypeVar("E", bound=Fact)
PATIENCE = 60.0  # seconds; a guard against hanging, never part of what is tested


class MovedClock(SystemClock):
    """The machine's clock, whose hands the test moves: no timer knows of it.

    Attributes:
        offset: By how many seconds.
    """

    offset = 0.0

    def now(self) -> int:
        return super().now() + round(self.offset * MICROSECONDS)


async def next_fact(listener: Watch, kind: type[E]) -> E:
    """The next event of a kind; those before it are dropped."""
    async with asyncio.timeout(PATIENCE):
        async for event in listener:
            if isinstance(event, kind):
                return event
    raise AssertionError(f"the runner was closed before a {kind.__name__}")


async def until(condition: Callable[[], bool], look_every: float = 0, limit: float | None = None) -> None:
    """Lets the event loop turn until a condition holds that no event announces; other processes need a pause."""
    try:
        async with asyncio.timeout(PATIENCE if limit is None else limit):
            while not condition():
                await pause(look_every)
    except TimeoutError:
        raise AssertionError(f"it did not come to hold: {_source_of(condition)}") from None


async def as_time_passes(clock: FakeClock, step: float, condition: Callable[[], bool]) -> None:
    """Lets the time of a clock pass until a condition holds; after each step all goes on that can."""
    try:
        async with asyncio.timeout(PATIENCE):
            while not condition():
                clock.advance(step)
                await quiet()
    except TimeoutError:
        raise AssertionError(f"it did not come to hold: {_source_of(condition)}") from None


async def quiet(*, beside_database: bool = False) -> None:
    """Returns when nothing goes on: what was to come without that time passes, or something from outside, has come.

    - The event loop has no callback to call, in two turns in a row; between them it has looked at its descriptors.
    - No task waits for the thread of a database, unless the test holds that up.

    What runs on another thread and what another process does is waited for by a condition of its own. It is never quiet
    beside what turns round and round, as `until` and this one do: one task waits, the others have events.

    That no callback is ready stands in `_ready`, which the event loops of asyncio alone have. So what is tested by it
    is tested on these and not on another one, such as uvloop, and a release of Python that names it otherwise fails
    each of those tests at once, by an AttributeError. `tests/test_waiting.py` holds what it may be trusted with.
    """
    ready = asyncio.get_running_loop()._ready  # type: ignore[attr-defined]  # noqa: SLF001  # asyncio's own loops have one
    turns, busy = 0, list[object]()
    try:
        async with asyncio.timeout(PATIENCE):
            while turns < 2:
                await pause(0)
                turns += 1
                if found := [*ready, *(() if beside_database else filter(_is_at_database, asyncio.all_tasks()))]:
                    turns, busy = 0, found
    except TimeoutError:
        going = [task for task in asyncio.all_tasks() if getattr(task, "_fut_waiter", None) is None]
        raise AssertionError(f"it goes on and on: {busy}, of {going}") from None


def _is_at_database(task: asyncio.Task[Any]) -> bool:
    awaiting: Any = task.get_coro()
    while (awaited := getattr(awaiting, "cr_await", None)) is not None and hasattr(awaited, "cr_await"):
        awaiting = awaited
    return getattr(awaiting, "cr_code", None) is aiosqlite.Connection._execute.__code__  # noqa: SLF001  # each call goes by it


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
