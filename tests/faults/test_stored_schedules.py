"""Faults of the store, of single schedules and of their callers: no tick is lost, and none fires twice."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest

from aiojobs_lite.errors import StoreRejected
from aiojobs_lite.model.schedules import FireTick
from aiojobs_lite.model.writes import Unit
from aiojobs_lite.telemetry.facts import StoreDegraded
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.engine import engine_of, faulty
from tests.helpers.fault_store import FULL, Fault, holding
from tests.helpers.instants import START
from tests.helpers.reports import Reports, minutes_pass, running
from tests.helpers.schedules import EACH_MINUTE
from tests.helpers.stores import connected
from tests.helpers.ticker import MINUTE
from tests.helpers.waiting import next_fact, quiet


def made_at(tick: int, units: Sequence[Unit]) -> bool:
    """Whether a transaction has a tick that makes a job."""
    return any(isinstance(one, FireTick) and one.tick == tick and one.job is not None for unit in units for one in unit)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(START)


@pytest.fixture
def reports() -> Reports:
    return Reports()


async def test_what_one_schedule_raises_keeps_no_other_from_firing(
    database: Path, clock: FakeClock, reports: Reports, caplog: pytest.LogCaptureFixture
) -> None:
    async with running(database, clock, reports.type) as [runner]:
        for n in range(3):
            await runner.schedules.put(f"r{n}", EACH_MINUTE, reports.type.bind(n))
        with connected(database) as connection:
            connection.execute("UPDATE aiojobs_schedules SET expression = 'nonsense' WHERE name = 'r1'")
        await minutes_pass(clock, [runner], 2)
        assert sorted(reports.ran) == [(0, 1), (0, 2), (2, 1), (2, 2)]
        assert runner.stats().skipped_ticks == 0
        assert "the schedule r1 could not fire; it is tried again in 60 s" in caplog.messages
        with connected(database) as connection:
            connection.execute("UPDATE aiojobs_schedules SET expression = '* * * * *' WHERE name = 'r1'")
        await minutes_pass(clock, [runner], 1)
        assert (1, 3) in reports.ran


async def test_a_tick_that_the_database_rejects_is_counted_and_the_next_one_fires(
    database: Path, clock: FakeClock, reports: Reports
) -> None:
    store = faulty(database)
    async with running(store, clock, reports.type) as [runner]:
        await runner.schedules.put("r", EACH_MINUTE, reports.type.bind(1))
        first = engine_of(runner).now() + 60_000_000
        store.faults = [Fault(error=StoreRejected("no"), when=partial(made_at, first))]
        await minutes_pass(clock, [runner], 2)
        assert reports.minutes == [2]
        assert runner.stats().skipped_ticks == 1


async def test_a_fault_of_the_store_loses_no_tick(database: Path, clock: FakeClock, reports: Reports) -> None:
    store = faulty(database)
    async with running(store, clock, reports.type) as [runner]:
        for n in range(3):
            await runner.schedules.put(f"r{n}", EACH_MINUTE, reports.type.bind(n))
        store.faults = [Fault(error=FULL, when=holding(FireTick))]
        facts = runner.watch()
        clock.advance("1m")
        await next_fact(facts, StoreDegraded)
        store.faults.clear()
        for _ in range(3):
            clock.advance("1s")
            await runner.run_until_idle()
        assert sorted(reports.ran) == [(n, 1) for n in range(3)]


async def test_a_cancelled_put_leaves_a_whole_schedule_or_none(
    database: Path, clock: FakeClock, reports: Reports
) -> None:
    async with running(database, clock, reports.type) as [runner]:
        putting = asyncio.create_task(runner.schedules.put("r", EACH_MINUTE, reports.type.bind(1)))
        await asyncio.sleep(0)
        putting.cancel()
        await asyncio.wait([putting])
        await quiet()
        await minutes_pass(clock, [runner], 1)
        assert reports.minutes == ([1] if await runner.schedules.list() else [])


async def test_a_stored_next_tick_that_is_none_moves_on(database: Path, clock: FakeClock, reports: Reports) -> None:
    async with running(database, clock, reports.type) as [runner]:
        await runner.schedules.put("r", "*/10 * * * *", reports.type.bind(1))
        with connected(database) as connection:  # as if other rules of its time zone had been in force
            connection.execute("UPDATE aiojobs_schedules SET next_tick = ?", (engine_of(runner).now() + 90_000_000,))
        await minutes_pass(clock, [runner], 2)
        assert (await runner.schedules.get("r")).next_tick == START + 10 * MINUTE
        await minutes_pass(clock, [runner], 8)
        assert reports.minutes == [10]
        assert runner.stats().skipped_ticks == 0
