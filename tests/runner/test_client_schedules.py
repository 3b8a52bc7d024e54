"""`client.schedules`: made and steered without an event loop, and fired by the runners."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from aiojobs_lite import JobClient, JobContext, JobRunner, injected, job
from aiojobs_lite.errors import InvalidSchedule, QueueFull, ScheduleNotFound, ScheduleTaken, WrongEventLoop
from aiojobs_lite.schedules import SchedulePut
from aiojobs_lite.telemetry.facts import TickFired
from aiojobs_lite.testing.clock import FakeClock
from aiojobs_lite.testing.probe import Probe
from tests.helpers.engine import engine_of
from tests.helpers.instants import START
from tests.helpers.ticker import MINUTE
from tests.helpers.waiting import PATIENCE, next_fact, until

EACH_MINUTE = "* * * * *"


@job(max_pending=1)
async def report(org_id: int, *, ctx: JobContext = injected) -> int:
    return org_id


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(START)


@pytest.fixture
def client(database: Path, clock: FakeClock) -> Iterator[JobClient]:
    with JobClient(database, jobs=[report], clock=clock) as made:
        yield made


def test_a_schedule_is_made_read_and_changed(client: JobClient) -> None:
    schedules = client.schedules
    made = schedules.put("report:42", EACH_MINUTE, report.using(label="eu").bind(42), tz="Europe/London")
    assert made == SchedulePut("report:42", is_new=True, next_tick=START + MINUTE)
    assert not schedules.put("report:42", "0 9 * * *", report.bind(43), catch_up="all", overlap="queue").is_new
    schedules.put("other", EACH_MINUTE, report.bind(1))
    state = schedules.get("report:42")
    assert (state.payload, state.options, state.catch_up, state.overlap, state.tz) == (
        {"org_id": 43}, {}, "all", "queue", "UTC",
    )  # fmt: skip
    assert [one.name for one in schedules.list()] == ["other", "report:42"]
    assert [one.name for one in schedules.list(prefix="report:", after="a", limit=5)] == ["report:42"]
    assert schedules.upcoming("other", 2) == [START + MINUTE, START + 2 * MINUTE]
    schedules.pause("other", by="Ada")
    assert schedules.get("other").paused_by == "Ada"
    schedules.resume("other")
    assert schedules.get("other").paused_since is None
    schedules.delete("other")
    assert [one.name for one in schedules.list()] == ["report:42"]


def test_a_schedule_is_run_between_its_ticks(client: JobClient) -> None:
    client.schedules.put("report:42", EACH_MINUTE, report.using(label="eu").bind(42))
    handle = client.schedules.run_now("report:42")
    made = client.get(handle.id)
    assert (handle.is_new, made.schedule, made.tick, made.label) == (True, "report:42", None, "eu")
    with pytest.raises(QueueFull):
        client.schedules.run_now("report:42")
    assert client.schedules.get("report:42").latest_job == handle.id


def test_what_is_not_there_or_cannot_work_is_refused(client: JobClient, database: Path) -> None:
    schedules = client.schedules
    for call in (schedules.get, schedules.delete, schedules.pause, schedules.resume, schedules.run_now):
        with pytest.raises(ScheduleNotFound):
            call("none")
    with pytest.raises(InvalidSchedule):
        schedules.put("r", "* * *", report.bind(1))
    runner = JobRunner(database)

    @runner.cron(EACH_MINUTE)
    async def tidy() -> None: ...

    async def start() -> None:
        async with runner:
            with pytest.raises(WrongEventLoop):
                schedules.list()

    asyncio.run(start())
    with pytest.raises(ScheduleTaken):
        schedules.put("tidy", EACH_MINUTE, report.bind(1))
    with pytest.raises(ScheduleTaken):
        JobClient(database, jobs=[tidy]).schedules.delete("tidy")


async def test_a_runner_learns_of_what_a_client_makes_and_fires_it(
    client: JobClient, database: Path, clock: FakeClock
) -> None:
    async with asyncio.timeout(PATIENCE), JobRunner(database, jobs=[report], clock=clock) as runner:
        ticker = Probe(runner).parts.ticker
        await until(lambda: ticker.is_idle)
        await asyncio.to_thread(client.schedules.put, "report:42", EACH_MINUTE, report.bind(42))
        await until(lambda: ticker.first_stored == engine_of(runner).now() + 60_000_000)
        facts = runner.watch()
        clock.advance("1m")
        assert await next_fact(facts, TickFired) == TickFired("report:42", START + MINUTE, 1)
        await asyncio.to_thread(client.schedules.delete, "report:42")
        await until(lambda: ticker.first_stored is None)
