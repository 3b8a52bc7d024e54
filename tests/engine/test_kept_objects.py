"""What a handler had is gone when its attempt has ended, before any garbage collection."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from aiojobs_lite import Abandon, JobRunner
from tests.helpers.pauses import hold_thread_for, work_for
from tests.helpers.waiting import PATIENCE, until


class Large:
    """What a handler holds in a local variable."""


class Formats(logging.Formatter):
    """Looks into each exception, as a handler does that sends it away, and leaves nothing to pytest, which keeps all.

    Attributes:
        exceptions: How many there were.
    """

    exceptions = 0

    def filter(self, record: logging.LogRecord) -> bool:
        self.format(record)
        if record.exc_info:
            self.formatException(record.exc_info)
            self.exceptions += 1
        return False


@pytest.fixture
def log() -> Iterator[Formats]:
    ours, formats = logging.getLogger("aiojobs_lite.jobs"), Formats()
    ours.addFilter(formats)
    yield formats
    ours.removeFilter(formats)


@pytest.fixture
def uncollected() -> Iterator[None]:
    gc.disable()
    yield
    gc.enable()


def handlers(held: list[weakref.ref[Large]]) -> dict[str, Callable[..., Any]]:
    def hold() -> Large:
        large = Large()
        held.append(weakref.ref(large))
        return large

    async def fails() -> None:
        large = hold()
        raise ValueError(id(large))

    async def fails_later() -> None:
        large = hold()
        await asyncio.sleep(0)
        raise ValueError(id(large))

    def fails_in_a_thread() -> None:
        large = hold()
        raise ValueError(id(large))

    async def gives_up() -> None:
        large = hold()
        raise Abandon(f"{id(large)}")

    async def takes_too_long() -> None:
        large = hold()
        await work_for(PATIENCE)
        raise ValueError(id(large))

    def succeeds_in_a_thread() -> None:
        hold_thread_for(id(hold()) * 0)

    every = fails, fails_later, fails_in_a_thread, gives_up, takes_too_long, succeeds_in_a_thread
    return {handler.__name__: handler for handler in every}


@pytest.mark.usefixtures("uncollected")
@pytest.mark.parametrize("name", handlers([]))
async def test_what_a_handler_had_is_gone_with_its_attempt(name: str, log: Formats) -> None:
    held: list[weakref.ref[Large]] = []
    runner = JobRunner(":memory:")
    job_type = runner.job(max_attempts=1, timeout=0.02 if name == "takes_too_long" else None)(handlers(held)[name])
    async with runner:
        await runner.enqueue(job_type)
        await runner.run_until_idle()
        await until(lambda: not any(ref() for ref in held))  # a thread's last lines come after its end
    assert len(held) == 1
    assert log.exceptions == (0 if name in {"gives_up", "succeeds_in_a_thread"} else 1)
