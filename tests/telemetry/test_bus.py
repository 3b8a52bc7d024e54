"""The way of the facts: to the log and to the listeners."""

from __future__ import annotations

import asyncio
import gc
import logging
import weakref
from collections.abc import Iterable
from datetime import UTC, datetime

import pytest

from aiojobs_lite.telemetry.bus import Bus, Watch
from aiojobs_lite.telemetry.facts import (
    AttemptFailed,
    DrainStarted,
    Fact,
    JobEnqueued,
    StoreDegraded,
    TypesUnclaimed,
)
from tests.helpers.waiting import PATIENCE, quiet

FAILED = AttemptFailed(7, "email", 1, 5, "failed", "ValueError: bad", datetime(2026, 3, 1, tzinfo=UTC), 2.0)


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, "aiojobs_lite")
    return caplog


def test_a_fact_below_the_level_of_its_logger_makes_no_record(logged: pytest.LogCaptureFixture) -> None:
    logged.set_level(logging.WARNING, "aiojobs_lite.jobs")
    bus = Bus()
    bus.publish(JobEnqueued(7, "email"))
    assert logged.records == []
    bus.publish(FAILED)
    assert [vars(record)["fact"] for record in logged.records] == ["AttemptFailed"]


def test_a_fact_is_watched_if_it_is_logged_or_has_a_listener(logged: pytest.LogCaptureFixture) -> None:
    bus = Bus()
    logged.set_level(logging.WARNING, "aiojobs_lite.jobs")
    logged.set_level(logging.ERROR, "aiojobs_lite.engine")
    assert not bus.is_watched(JobEnqueued)
    assert bus.is_watched(AttemptFailed)
    assert not bus.is_watched(TypesUnclaimed)
    assert bus.is_watched(StoreDegraded)
    listener = bus.watch()
    assert bus.is_watched(JobEnqueued)
    assert bus.is_watched(TypesUnclaimed)
    del listener
    gc.collect()
    assert not bus.is_watched(JobEnqueued)


class Broken(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        raise RuntimeError("the application's filter is broken")


def test_broken_logging_neither_raises_nor_keeps_facts_from_listeners(logged: pytest.LogCaptureFixture) -> None:
    bus = Bus()
    listener = bus.watch()
    broken = Broken()
    logger = logging.getLogger("aiojobs_lite.jobs")
    logger.addFilter(broken)
    try:
        bus.publish(JobEnqueued(7, "email"))
    finally:
        logger.removeFilter(broken)
    assert logged.records == []
    assert listener.take() == [JobEnqueued(7, "email")]


# The listeners.


async def all_of(listener: Watch) -> list[Fact]:
    async with asyncio.timeout(PATIENCE):
        return [fact async for fact in listener]


def enqueued(numbers: Iterable[int]) -> list[Fact]:
    return [JobEnqueued(number, "email") for number in numbers]


async def test_a_listener_gets_all_that_is_published_after_it_in_order() -> None:
    bus = Bus()
    bus.publish(JobEnqueued(0, "email"))
    listener = bus.watch()
    for fact in enqueued(range(1, 4)):
        bus.publish(fact)
    bus.close()
    assert await all_of(listener) == enqueued(range(1, 4))
    assert await all_of(listener) == []  # it stays ended


async def test_a_listener_that_waits_is_woken_by_a_fact() -> None:
    bus = Bus()
    listener = bus.watch()
    waiting = asyncio.create_task(anext(listener))
    await quiet()
    assert not waiting.done()
    bus.publish(JobEnqueued(1, "email"))
    assert await waiting == JobEnqueued(1, "email")


async def test_a_listener_that_waits_is_ended_by_close() -> None:
    bus = Bus()
    waiting = asyncio.create_task(all_of(bus.watch()))
    await quiet()
    bus.close()
    assert await waiting == []


async def test_all_that_is_unread_can_be_taken_at_once() -> None:
    bus = Bus()
    listener = bus.watch()
    assert listener.take() == []
    for fact in enqueued([1, 2]):
        bus.publish(fact)
    assert listener.take() == enqueued([1, 2])
    bus.publish(JobEnqueued(3, "email"))
    bus.close()
    assert await all_of(listener) == enqueued([3])


async def test_a_cancelled_wait_loses_no_fact() -> None:
    bus = Bus()
    listener = bus.watch()
    waiting = asyncio.create_task(anext(listener))
    await quiet()
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    bus.publish(JobEnqueued(1, "email"))
    assert await anext(listener) == JobEnqueued(1, "email")


async def test_a_listener_that_is_too_slow_loses_the_oldest() -> None:
    bus = Bus()
    listener = bus.watch()
    for fact in enqueued(range(1005)):
        bus.publish(fact)
    bus.close()
    assert await all_of(listener) == enqueued(range(5, 1005))


async def test_every_listener_gets_everything() -> None:
    bus = Bus()
    first, second = bus.watch(), bus.watch()
    bus.publish(JobEnqueued(1, "email"))
    bus.close()
    assert await all_of(first) == await all_of(second) == enqueued([1])


async def test_two_buses_share_nothing() -> None:
    mine, other = Bus(), Bus()
    listener = mine.watch()
    other.publish(JobEnqueued(1, "email"))
    other.close()
    mine.publish(DrainStarted("close", 0, "", 1.0))
    mine.close()
    assert await all_of(listener) == [DrainStarted("close", 0, "", 1.0)]


async def test_a_listener_that_is_not_held_is_dropped() -> None:
    bus = Bus()
    listener = bus.watch()
    gone = weakref.ref(listener)
    bus.publish(JobEnqueued(1, "email"))
    del listener
    gc.collect()
    assert gone() is None
    bus.publish(JobEnqueued(2, "email"))
    bus.close()


async def test_a_listener_that_is_only_iterated_is_kept() -> None:
    bus = Bus()

    async def listen() -> list[Fact]:
        return [fact async for fact in bus.watch()]

    waiting = asyncio.create_task(listen())
    await quiet()
    gc.collect()
    bus.publish(JobEnqueued(1, "email"))
    bus.close()
    assert await waiting == enqueued([1])


async def test_a_bus_that_was_closed_serves_new_listeners() -> None:
    bus = Bus()
    bus.close()
    listener = bus.watch()
    bus.publish(JobEnqueued(1, "email"))
    assert await anext(listener) == JobEnqueued(1, "email")
