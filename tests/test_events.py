"""What happens, as facts: the table, the log lines, and who listens."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import logging
import re
import string
import weakref
from datetime import UTC, datetime
from typing import Any

import pytest

from aiojobs_lite.telemetry import facts as events
from aiojobs_lite.telemetry.bus import Bus, Watch
from aiojobs_lite.telemetry.facts import (
    AttemptFailed,
    AttemptStuck,
    DrainStarted,
    Fact,
    JobBecameCancelled,
    JobCompleted,
    JobEnqueued,
    StoreDegraded,
    TickFired,
    TypesUnclaimed,
)

PATIENCE = 20.0
KINDS: list[type[Fact]] = [
    kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, Fact) and kind is not Fact
]
NOON = datetime(2026, 3, 1, 12, 30, 15, tzinfo=UTC)
EXAMPLES = {"int": 7, "str": "text", "float": 1.23456, "datetime": NOON}
PARTS = ("jobs", "cron", "engine")


def example(kind: type[Fact]) -> Fact:
    """An event of a kind, with a value of the right type in each field."""
    return kind(*(EXAMPLES[str(field.type)] for field in dataclasses.fields(kind)))


@pytest.fixture
def heard(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.DEBUG, "aiojobs_lite")
    return caplog


# The table.


def test_the_table_names_exactly_the_events_with_their_levels() -> None:
    assert events.__doc__ is not None
    rows = re.findall(r"^\| (`.*?) \| (\w+) \| (.+) \|$", events.__doc__, re.MULTILINE)
    told = {name: level for names, level, _ in rows for name in re.findall(r"`(\w+)`", names)}
    assert told == {kind.__name__: logging.getLevelName(kind.level).lower() for kind in KINDS}
    assert len(KINDS) == len(set(told)) >= 20
    assert all(when for _, _, when in rows)


@pytest.mark.parametrize("kind", KINDS)
def test_each_event_says_something_of_its_own_with_all_it_needs(kind: type[Fact]) -> None:
    named = {name for _, name, _, _ in string.Formatter().parse(kind.text) if name}
    assert named
    assert named == {field.name for field in dataclasses.fields(kind)}
    assert kind.part in PARTS
    assert [other for other in KINDS if other.text == kind.text] == [kind]
    assert kind.__doc__
    assert "(" not in kind.__doc__.splitlines()[0]  # not the one that dataclass makes up


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_cannot_be_changed_and_is_equal_by_its_fields(kind: type[Fact]) -> None:
    event = example(kind)
    assert event == example(kind)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(event, dataclasses.fields(kind)[0].name, None)


@pytest.mark.parametrize("kind", KINDS)
def test_an_event_makes_one_record_with_its_text_and_its_fields(
    kind: type[Fact], heard: pytest.LogCaptureFixture
) -> None:
    event = example(kind)
    Bus().publish(event)
    (record,) = heard.records
    assert record.name == f"aiojobs_lite.{kind.part}"
    assert record.levelno == kind.level
    assert record.getMessage() == str(event)
    assert record.getMessage().strip() == record.getMessage() != ""
    assert not re.search(r"[{}]", record.getMessage())
    extra = vars(record)
    assert extra["event"] == kind.__name__
    for field in dataclasses.fields(kind):
        name = f"job_{field.name}" if field.name in {"type", "reason"} else field.name
        assert extra[name] == getattr(event, field.name)
    ours = {
        f"job_{field.name}" if field.name in {"type", "reason"} else field.name for field in dataclasses.fields(kind)
    }
    assert not ours & set(vars(logging.makeLogRecord({})))  # logging keeps these names to itself


@pytest.mark.parametrize(
    ("event", "text"),
    [
        (JobEnqueued(7, "email"), "enqueued: email job 7"),
        (JobCompleted(7, "email", 2, 0.12345, ""), "completed: email job 7 attempt 2 in 0.123 s"),
        (JobCompleted(7, "email", 2, 0.1, "not kept"), "completed: email job 7 attempt 2 in 0.100 s not kept"),
        (
            AttemptFailed(7, "email", 2, "timed_out", "ValueError: {x}", NOON),
            "failed: email job 7 attempt 2 (timed_out): ValueError: {x}; again at 12:30:15",
        ),
        (JobBecameCancelled(7, "a{b}c", "100%s"), "cancelled: a{b}c job 7 (100%s)"),
        (TickFired("daily", NOON, 7), "tick: daily at 2026-03-01 12:30:15+00:00 made job 7"),
        (
            AttemptStuck(7, "email", 1, "timeout", "  File x\n"),
            "stuck: email job 7 attempt 1 was told to stop (timeout) and goes on\n  File x",
        ),
    ],
)
def test_the_text_of_an_event_is_for_people(event: Fact, text: str) -> None:
    assert str(event) == text


# The bus and the logs.


def test_a_level_that_nobody_wants_makes_no_record(heard: pytest.LogCaptureFixture) -> None:
    heard.set_level(logging.WARNING, "aiojobs_lite.jobs")
    bus = Bus()
    bus.publish(JobEnqueued(7, "email"))
    assert heard.records == []
    bus.publish(example(AttemptFailed))
    assert [vars(record)["event"] for record in heard.records] == ["AttemptFailed"]


def test_the_bus_hears_what_is_logged_or_listened_to(heard: pytest.LogCaptureFixture) -> None:
    bus = Bus()
    heard.set_level(logging.WARNING, "aiojobs_lite.jobs")
    heard.set_level(logging.ERROR, "aiojobs_lite.engine")
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


class Spiteful(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        raise RuntimeError("the application's filter is broken")


def test_broken_logging_neither_raises_nor_keeps_listeners_from_hearing(heard: pytest.LogCaptureFixture) -> None:
    bus = Bus()
    listener = bus.watch()
    spite = Spiteful()
    logger = logging.getLogger("aiojobs_lite.jobs")
    logger.addFilter(spite)
    try:
        bus.publish(JobEnqueued(7, "email"))
    finally:
        logger.removeFilter(spite)
    assert heard.records == []
    assert listener._unread == type(listener._unread)([JobEnqueued(7, "email")])


# The listeners.


async def all_of(listener: Watch) -> list[Fact]:
    async with asyncio.timeout(PATIENCE):
        return [event async for event in listener]


def enqueued(numbers: Any) -> list[Fact]:
    return [JobEnqueued(number, "email") for number in numbers]


async def test_a_listener_gets_all_that_is_published_after_it_in_order() -> None:
    bus = Bus()
    bus.publish(JobEnqueued(0, "email"))
    listener = bus.watch()
    for event in enqueued(range(1, 4)):
        bus.publish(event)
    bus.close()
    assert await all_of(listener) == enqueued(range(1, 4))
    assert await all_of(listener) == []  # it stays ended


async def test_a_listener_that_waits_is_woken_by_an_event() -> None:
    bus = Bus()
    listener = bus.watch()
    waiting = asyncio.create_task(anext(listener))
    await asyncio.sleep(0)
    assert not waiting.done()
    bus.publish(JobEnqueued(1, "email"))
    async with asyncio.timeout(PATIENCE):
        assert await waiting == JobEnqueued(1, "email")


async def test_a_listener_that_waits_is_ended_by_close() -> None:
    bus = Bus()
    waiting = asyncio.create_task(all_of(bus.watch()))
    await asyncio.sleep(0)
    bus.close()
    async with asyncio.timeout(PATIENCE):
        assert await waiting == []


async def test_a_cancelled_wait_loses_no_event() -> None:
    bus = Bus()
    listener = bus.watch()
    waiting = asyncio.create_task(anext(listener))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    bus.publish(JobEnqueued(1, "email"))
    async with asyncio.timeout(PATIENCE):
        assert await anext(listener) == JobEnqueued(1, "email")


async def test_a_listener_that_is_too_slow_loses_the_oldest() -> None:
    bus = Bus()
    listener = bus.watch()
    for event in enqueued(range(1005)):
        bus.publish(event)
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
    mine.publish(DrainStarted("close", 0))
    mine.close()
    assert await all_of(listener) == [DrainStarted("close", 0)]


async def test_a_listener_that_nobody_holds_is_dropped() -> None:
    bus = Bus()
    listener = bus.watch()
    gone = weakref.ref(listener)
    bus.publish(JobEnqueued(1, "email"))
    del listener
    gc.collect()
    assert gone() is None
    bus.publish(JobEnqueued(2, "email"))  # to nobody
    bus.close()


async def test_a_listener_that_is_only_iterated_is_kept() -> None:
    bus = Bus()

    async def listen() -> list[Fact]:
        return [event async for event in bus.watch()]

    waiting = asyncio.create_task(listen())
    await asyncio.sleep(0)
    gc.collect()
    bus.publish(JobEnqueued(1, "email"))
    bus.close()
    async with asyncio.timeout(PATIENCE):
        assert await waiting == enqueued([1])


async def test_a_bus_that_was_closed_serves_new_listeners() -> None:
    bus = Bus()
    bus.close()
    listener = bus.watch()
    bus.publish(JobEnqueued(1, "email"))
    async with asyncio.timeout(PATIENCE):
        assert await anext(listener) == JobEnqueued(1, "email")
