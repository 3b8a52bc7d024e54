"""What a part is told once must reach everybody whom it concerns, whatever fails or is busy meanwhile."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite import JobRunner, Status, job
from aiojobs_lite.engine import change_watcher as watcher_module
from aiojobs_lite.engine import engine as engine_module
from aiojobs_lite.engine.change_watcher import Watcher
from aiojobs_lite.errors import StoreRejected, StoreUnavailable
from aiojobs_lite.model.queries import FindJobs
from aiojobs_lite.model.writes import DeleteJob, TickAnswer
from aiojobs_lite.stores.sqlite.owners import Ownership
from aiojobs_lite.telemetry.facts import JobCompleted
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.committer import committing, one_group, scripted
from tests.helpers.engine import faulty, going, turns
from tests.helpers.fault_store import FULL, Fault
from tests.helpers.ticker import schedule, ticking
from tests.helpers.waiting import PATIENCE, next_fact, until

REJECTED = StoreRejected("x")


async def looked(runner: JobRunner) -> None:
    """Waits until a runner's watcher has seen all that was committed so far."""
    assert runner._engine is not None
    store: Any = runner._engine.store
    looks, look = 0, store.changed

    async def counted() -> bool:
        nonlocal looks
        looks += 1
        found: bool = await look()
        return found

    store.changed = counted
    await until(lambda: looks >= 2, pause=0.01)
    del store.changed


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
        asyncio.timeout(PATIENCE),
        JobRunner(database, jobs=[held]) as works,
        JobRunner(database, jobs=[held, late], max_running=0) as waits,
    ):
        handle = await waits.enqueue(held)
        result = asyncio.ensure_future(handle.result())
        await entered.wait()
        events = works.watch()
        await looked(waits)
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
        asyncio.timeout(PATIENCE),
        JobRunner(database, jobs=[waits], drain_timeout=0) as works,
        JobRunner(database, jobs=[waits], max_running=0) as looks,
    ):
        handle = await works.enqueue(waits)
        await entered.wait()
        await looked(works)
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
    async with asyncio.timeout(PATIENCE), runner:
        for n in range(2):
            await runner.enqueue(one_at_a_time, n)
        await until(lambda: ran == [0])
        handles = await runner.enqueue_many([other.using(delay="1h").bind() for _ in range(1400)])
        await runner.jobs.list()
        crowd = [asyncio.ensure_future(handle.cancel()) for handle in handles]
        await turns(3)
        go.set()
        await asyncio.gather(*crowd)
        await runner.run_until_idle()
        assert ran == [0, 1]


async def test_a_change_whose_consequences_failed_is_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watcher_module, "LOOK_EVERY", 0)
    answers, told = [True], []

    class Store:
        async def changed(self) -> bool:
            return answers.pop(0) if answers else False

    async def changed() -> None:
        told.append(1)
        if len(told) == 1:
            raise StoreUnavailable("SQLITE_IOERR", "a read")

    watcher = Watcher(Store(), FakeClock(), changed=changed, jumped=lambda: None)  # type: ignore[arg-type]
    with pytest.raises(StoreUnavailable):
        await watcher.run()
    async with going(watcher.run):  # started again
        await turns()
    assert len(told) == 2


async def test_a_failed_recheck_is_made_again(database: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "_RESTART_PAUSE", 0)
    release, entered = asyncio.Event(), asyncio.Event()

    @job(name="held")
    async def held() -> int:
        entered.set()
        await release.wait()
        return 7

    async with asyncio.timeout(PATIENCE), JobRunner(database, jobs=[held]):
        store = faulty(database)
        async with JobRunner(store, jobs=[held], max_running=0) as waits:
            handle = await waits.enqueue(held)
            result = asyncio.ensure_future(handle.result())
            await entered.wait()
            await looked(waits)
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
            await looked(runner)
        try:
            assert runner.stats().oldest_due_age == 300
        finally:
            release.set()


def test_dead_owners_are_found_whatever_the_file_is_called(tmp_path: Path) -> None:
    prefix = str(tmp_path / "jobs[1].db")
    file = Path(f"{prefix}-owner-0123456789abcdef")
    file.touch()
    assert Ownership(prefix).others() == ["0123456789abcdef"]
    file.unlink()


async def test_a_tick_that_is_rejected_does_not_hold_up_other_schedules() -> None:
    clock = FakeClock()
    async with ticking(clock, schedule("bad"), schedule("good")) as desk:
        write = desk._write

        async def picky(tick: Any) -> TickAnswer:
            if tick.schedule == "bad":
                raise REJECTED
            return await write(tick)

        desk.ticker._write = picky
        for _ in range(10):
            clock.advance("1m")
            await turns()
        assert {tick.schedule for tick in desk.ticks} == {"good"}


async def test_a_callback_that_fails_loses_no_other_answer() -> None:
    clock = FakeClock()
    store = scripted()
    async with committing(store, clock) as desk:

        def bad(_write: object, _answer: object, _error: object) -> None:
            raise KeyError("a defect")

        async with one_group(desk, store):
            desk.committer.keep(DeleteJob(1), bad)
            call = desk.call(DeleteJob(2))
            await turns()
        async with asyncio.timeout(PATIENCE):
            assert await call == f"saved {DeleteJob(2)}"
