"""What a part learns once reaches all whom it concerns, whatever fails or is busy meanwhile."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite import JobRunner, Status, job
from aiojobs_lite.engine import guard
from aiojobs_lite.errors import StoreRejected
from aiojobs_lite.model.queries import FindJobs
from aiojobs_lite.model.writes import DeleteJob
from aiojobs_lite.telemetry.facts import JobCompleted
from aiojobs_lite.testing.clock import FakeClock
from aiojobs_lite.testing.probe import Probe
from tests.helpers.committer import committing, one_group, scripted
from tests.helpers.engine import faulty
from tests.helpers.fault_store import FULL, Fault
from tests.helpers.ticker import schedule, ticking
from tests.helpers.waiting import PATIENCE, next_fact, quiet, until

REJECTED = StoreRejected("x")


async def test_an_own_commit_that_notices_anothers_commit_tells_the_waiters(database: Path) -> None:
    release, entered = asyncio.Event(), asyncio.Event()

    @job(name="held")
    async def held() -> int:
        entered.set()
        await release.wait()
        return 7

    @job(name="late")
    async def late() -> None: ...

    async with (
        JobRunner(database, jobs=[held]) as works,
        JobRunner(database, jobs=[held, late], max_running=0) as waits,
    ):
        handle = await waits.enqueue(held)
        result = asyncio.ensure_future(handle.result())
        await entered.wait()
        events = works.watch()
        await until(lambda: waits.stats().processing == 1, look_every=0.01)  # it has noticed the claim
        release.set()
        await next_fact(events, JobCompleted)
        await waits.enqueue(late)  # before its watcher looks
        async with asyncio.timeout(PATIENCE):
            assert await result == 7


async def test_an_own_commit_that_notices_a_cancel_stops_the_job(database: Path) -> None:
    entered = asyncio.Event()

    @job(name="waits")
    async def waits() -> None:
        entered.set()
        await asyncio.Event().wait()

    async with (
        JobRunner(database, jobs=[waits], drain_timeout=0) as works,
        JobRunner(database, jobs=[waits], max_running=0) as looks,
    ):
        handle = await works.enqueue(waits)
        await entered.wait()
        assert await looks.jobs.cancel(handle.id) is Status.PROCESSING
        await works.enqueue(waits.using(delay="1h"))
        async with asyncio.timeout(PATIENCE):
            await until(lambda: works.stats().cancelled == 1)


async def test_a_limited_type_goes_on_after_a_crowd_of_writes(database: Path) -> None:
    go = asyncio.Event()
    ran: list[int] = []

    @job(concurrency=1)
    async def one_at_a_time(n: int) -> None:
        ran.append(n)
        if n == 0:
            await go.wait()

    @job
    async def other() -> None: ...

    runner = JobRunner(database, jobs=[one_at_a_time, other], durability="normal", drain_timeout=0)
    async with runner:
        for n in range(2):
            await runner.enqueue(one_at_a_time, n)
        await until(lambda: ran == [0])
        handles = await runner.enqueue_many([other.using(delay="1h").bind() for _ in range(1400)])
        await runner.jobs.list()
        crowd = [asyncio.ensure_future(handle.cancel()) for handle in handles]
        await until(lambda: len(Probe(runner).waiting_writes) > 1000)
        go.set()
        await asyncio.gather(*crowd)
        await runner.run_until_idle()
        assert ran == [0, 1]


async def test_a_failed_recheck_is_made_again(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "RESTART_PAUSE_S", 0)
    release, entered = asyncio.Event(), asyncio.Event()

    @job(name="held")
    async def held() -> int:
        entered.set()
        await release.wait()
        return 7

    async with JobRunner(database, jobs=[held]):
        store = faulty(database)
        async with JobRunner(store, jobs=[held], max_running=0) as waits:
            handle = await waits.enqueue(held)
            result = asyncio.ensure_future(handle.result())
            await entered.wait()
            await until(lambda: waits.stats().processing == 1, look_every=0.01)
            store.faults = [Fault(method="ask", error=FULL, at=1, when=asks_for_ids)]
            release.set()
            async with asyncio.timeout(PATIENCE):
                assert await result == 7


def asks_for_ids(query: object) -> bool:
    return isinstance(query, FindJobs) and bool(query.ids)


async def test_the_age_of_what_waits_is_known_while_all_slots_are_taken(database: Path) -> None:
    clock = FakeClock()
    entered, release = asyncio.Event(), asyncio.Event()

    @job(name="held")
    async def held() -> None:
        entered.set()
        await release.wait()

    async with JobRunner(database, jobs=[held], max_running=1, clock=clock) as runner:
        await runner.enqueue(held)
        await entered.wait()
        await runner.enqueue(held)
        clock.advance("5m")
        assert runner.stats().oldest_due_age == 300
        async with JobRunner(database, jobs=[held], max_running=0, clock=clock) as other:
            await other.enqueue(held.using(delay="1h"))
            await until(lambda: runner.stats().pending == 2, look_every=0.01)
        try:
            assert runner.stats().oldest_due_age == 300
        finally:
            release.set()


async def test_a_tick_that_is_rejected_does_not_hold_up_other_schedules() -> None:
    clock = FakeClock()
    async with ticking(clock, schedule("bad"), schedule("good")) as rig:
        write = rig.write

        async def picky(tick: Any) -> Any:
            if tick.schedule == "bad":
                raise REJECTED
            return await write(tick)

        rig.write = picky  # type: ignore[method-assign, assignment]  # as a store that rejects some
        for _ in range(10):
            clock.advance("1m")
            await quiet()
        assert {tick.schedule for tick in rig.ticks} == {"good"}


async def test_a_callback_that_fails_loses_no_other_answer() -> None:
    clock = FakeClock()
    store = scripted()
    async with committing(store, clock) as rig:

        def bad(_write: object, _answer: object, _error: object) -> None:
            raise KeyError("a defect")

        async with one_group(rig, store):
            rig.committer.keep((DeleteJob(1),), bad)
            call = rig.call(DeleteJob(2))
            await quiet()
        async with asyncio.timeout(PATIENCE):
            assert await call == f"saved {DeleteJob(2)}"
