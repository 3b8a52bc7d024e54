"""Limits, rates and what else holds jobs back or puts them together, by fields of the events that start them."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from aiojobs_lite import InvalidOption, JobRunner
from aiojobs_lite.errors import InvalidKey, InvalidPayload, UniqueConflict
from aiojobs_lite.events import Event, EventToSend, SentEvent
from aiojobs_lite.flow import Debounce, Throttle, Unique
from aiojobs_lite.limits import Limit, Rate
from aiojobs_lite.testing import JobKit
from tests.helpers.waiting import quiet, until

FIELDS = ["event.data.user_id", "happened.data.user_id", "data.user_id"]
given = list[Any]()


@pytest.fixture(autouse=True)
def _forget() -> None:
    given.clear()


async def note(happened: Event[dict[str, Any]]) -> None:
    given.append((happened.data["user_id"], happened.data.get("n")))


def listening(handler: Any = note, **options: Any) -> JobRunner:
    """A runner with one listener, whose argument is not named `event`."""
    runner = JobRunner(":memory:")
    runner.on("user/*", **options)(handler)
    return runner


async def send(runner: JobRunner, *users: int) -> list[SentEvent]:
    events = [EventToSend("user/seen", {"user_id": user, "n": n}) for n, user in enumerate(users)]
    return await runner.events.send_many(events)


@pytest.mark.parametrize("field", FIELDS)
async def test_a_limit_counts_by_a_field_of_the_event(field: str, job_kit: JobKit) -> None:
    may_end = asyncio.Event()

    async def work(happened: Event[dict[str, Any]]) -> None:
        given.append(happened.data["user_id"])
        await may_end.wait()

    runner = listening(work, limits=[Limit(1, key=field)])
    async with job_kit(runner):
        await send(runner, *[1, 2] * 5)
        await until(lambda: len(given) == 2)
        await quiet()
        assert sorted(given) == [1, 2]
        may_end.set()
        await runner.run_until_idle()
    assert sorted(given) == [1] * 5 + [2] * 5


@pytest.mark.parametrize("field", FIELDS)
async def test_a_rate_counts_by_a_field_of_the_event(field: str, job_kit: JobKit) -> None:
    runner = listening(limits=[Rate(2, per="1m", key=field)])
    async with job_kit(runner):
        await send(runner, 1, 1, 1, 2, 1)
        await runner.run_until_idle()
        assert Counter(user for user, _ in given) == {1: 2, 2: 1}
        await job_kit.advance("61s")
        assert Counter(user for user, _ in given) == {1: 4, 2: 1}


@pytest.mark.parametrize("field", FIELDS)
async def test_a_debounce_takes_the_last_event_of_a_key(field: str, job_kit: JobKit) -> None:
    runner = listening(debounce=Debounce("5s", key=field))
    async with job_kit(runner):
        sent = await send(runner, 1, 2, 1)
        assert [one.handles[0].is_new for one in sent] == [True, True, False]
        await job_kit.advance(3)
        await send(runner, 1)
        await job_kit.advance(3)
        assert given == [(2, 1)]
        await job_kit.advance(3)
    assert given == [(2, 1), (1, 0)]


@pytest.mark.parametrize("field", FIELDS)
async def test_a_throttle_drops_events_of_a_key_and_counts_them(field: str, job_kit: JobKit) -> None:
    runner = listening(throttle=Throttle("1m", key=field))
    async with job_kit(runner):
        await send(runner, 1, 1, 2, 1)
        await runner.run_until_idle()
        assert given == [(1, 0), (2, 2)]
        assert runner.stats().by_type["note"].throttled == 2
        assert len(await runner.events.list()) == 4


@pytest.mark.parametrize("field", FIELDS)
async def test_a_unique_listener_runs_once_a_key(field: str, job_kit: JobKit) -> None:
    runner = listening(unique=Unique(field))
    async with job_kit(runner):
        await send(runner, 1, 1, 2)
        await runner.run_until_idle()
        await send(runner, 1)
        await runner.run_until_idle()
    assert given == [(1, 0), (2, 2), (1, 0)]


async def test_a_conflict_refuses_the_events(job_kit: JobKit) -> None:
    runner = listening(unique=Unique("event.data.user_id", on_conflict="raise"))
    async with job_kit(runner):
        with pytest.raises(UniqueConflict):
            await send(runner, 1, 1)
        assert await runner.events.list() == []


async def test_the_priority_of_a_listener_is_that_of_its_event(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:", max_running=1)
    runner.on("user/*", priority=lambda arguments: arguments["happened"]["data"]["rank"])(note)
    async with job_kit(runner):
        ranks = ["low", "medium", "high"]
        await runner.events.send_many([EventToSend("user/a", {"user_id": n, "rank": ranks[n]}) for n in range(3)])
        await runner.run_until_idle()
        assert [user for user, _ in given] == [2, 1, 0]
        with pytest.raises(InvalidPayload, match="priority"):
            await runner.send("user/a", {"user_id": 1})


async def test_an_event_without_the_field_is_refused_and_so_is_a_field_that_none_has(job_kit: JobKit) -> None:
    runner = listening(unique=Unique("event.data.user_id"))
    async with job_kit(runner):
        with pytest.raises(InvalidKey, match=r"no field 'happened\.data\.user_id'"):
            await runner.send("user/a", {})
    for options in ({"unique": Unique("user_id")}, {"limits": [Limit(1, key="user_id")]}):
        with pytest.raises(InvalidOption, match="user_id"):
            listening(**options)
