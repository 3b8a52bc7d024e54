"""The engine as a whole when something below it fails: through the runner, on a store that fails when it is to."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite import JobDead, JobRunner, Status, StoreUnavailable, job
from aiojobs_lite.engine import guard, startup
from aiojobs_lite.engine.change_watcher import ChangeWatcher
from aiojobs_lite.engine.clock_monitor import ClockMonitor
from aiojobs_lite.engine.committer import Committer
from aiojobs_lite.engine.dispatcher import Dispatcher
from aiojobs_lite.engine.drain import Drain
from aiojobs_lite.engine.janitor import Janitor
from aiojobs_lite.engine.loop_monitor import LoopMonitor
from aiojobs_lite.engine.ticker import Ticker
from aiojobs_lite.errors import ResultNotKept, RunnerClosed, StoreRejected
from aiojobs_lite.model.ends import Close, Complete
from aiojobs_lite.model.queries import FindIds, FindJobs, ListOwners
from aiojobs_lite.model.schedules import FireTick
from aiojobs_lite.model.writes import CancelJob, Claim
from aiojobs_lite.telemetry.facts import (
    EndRefused,
    JobCompleted,
    OwnerRescued,
    StoreDegraded,
    StoreRecovered,
    TickFired,
    TypesUnclaimed,
)
from aiojobs_lite.testing.clock import FakeClock
from aiojobs_lite.testing.probe import Probe
from tests.helpers.clocks import step_unnoticed
from tests.helpers.engine import engine_of, faulty
from tests.helpers.fault_store import FULL, Fault, FaultStore, Kind, holding
from tests.helpers.waiting import as_time_passes, next_fact, quiet, until

DEAD_OWNER = "0123456789abcdef"
REJECTED = StoreRejected("SQLITE_TOOBIG: string or blob too big")


@job
async def quick(n: int = 0) -> int:
    return n


@pytest.fixture
def store(database: Path) -> FaultStore:
    return faulty(database)


@pytest.fixture
def runner(clock: FakeClock, store: FaultStore) -> JobRunner:
    return JobRunner(store, jobs=[quick], clock=clock)


async def tried_again(clock: FakeClock, store: FaultStore) -> None:
    """The committer, which pauses, begins its next try; if the test's fault lasts, it pauses again."""
    tries = store.calls["apply"]
    clock.advance(0.5)
    await until(lambda: store.calls["apply"] > tries)


async def claimed_by_the_dead(runner: JobRunner) -> list[int]:
    """All due jobs are taken by an owner whose process then dies."""
    answer = await engine_of(runner).write(Claim(DEAD_OWNER, 100, {"quick"}, {}, {}))
    return [one.id for one in answer.jobs]


async def orphaned(database: Path, clock: FakeClock) -> int:
    """Leaves a job that an owner held when its process died."""
    async with JobRunner(database, jobs=[quick], max_running=0, clock=clock) as runner:
        handle = await runner.enqueue(quick)
        assert await claimed_by_the_dead(runner) == [handle.id]
    return handle.id


def looks_for_many(query: object) -> bool:
    return isinstance(query, FindIds | FindJobs | ListOwners)


# A store that cannot be written for a while.


async def test_a_result_that_could_not_be_saved_is_kept_and_saved(
    runner: JobRunner, clock: FakeClock, store: FaultStore
) -> None:
    async with runner:
        events = runner.watch()
        assert runner.stats().degraded is None
        store.faults = [Fault(error=FULL, when=holding(Complete))]
        handles = [await runner.enqueue(quick, 5)]
        assert "SQLITE_FULL" in (await next_fact(events, StoreDegraded)).reason
        assert runner.stats().degraded == "SQLITE_FULL"
        for _ in range(3):
            await tried_again(clock, store)
            with pytest.raises(StoreUnavailable, match="Repeat the call later") as caught:
                await runner.enqueue(quick, 6)
            assert caught.value.code == "SQLITE_FULL"
            assert (await handles[0].job()).status is Status.PROCESSING  # reading goes on
        store.faults.clear()
        await tried_again(clock, store)
        assert (await next_fact(events, JobCompleted)).job_id == handles[0].id
        assert await handles[0].result() == 5
        assert runner.stats().degraded is None
        assert await (await runner.enqueue(quick, 7)).result() == 7
        assert [found.id for found in await runner.jobs.list()] == [2, 1]  # the refused ones were not written
    found = [event async for event in events if isinstance(event, StoreDegraded | StoreRecovered)]
    assert found == []  # each was published once


async def test_many_results_survive_a_store_that_fails_again_and_again(
    runner: JobRunner, clock: FakeClock, store: FaultStore
) -> None:
    ends = holding(Complete)
    every_other = Fault(error=FULL, when=lambda units: store.calls["apply"] % 2 == 0 and ends(units))
    async with runner:
        handles = await runner.enqueue_many([quick.bind(n) for n in range(250)])
        store.faults = [every_other]
        results = asyncio.ensure_future(asyncio.gather(*(handle.result() for handle in handles)))
        await as_time_passes(clock, 0.5, results.done)
        assert await results == list(range(250))
        assert store.was_met(every_other)
        await until(lambda: runner.stats().degraded is None)  # which a claim proves
        assert (runner.stats().completed, runner.stats().refused_ends) == (250, 0)


async def test_a_commit_that_was_reported_to_fail_and_did_not_is_not_done_twice(
    database: Path, clock: FakeClock, store: FaultStore, runner: JobRunner
) -> None:
    """The repeated end finds its job ended; a caller that awaits it is answered all the same."""
    store.faults = [Fault(Kind.AFTER, at=1, when=holding(Complete))]
    async with runner:
        events = runner.watch()
        handle = await runner.enqueue(quick, 3)
        result = asyncio.ensure_future(handle.result())
        await next_fact(events, StoreDegraded)
        clock.advance(0.5)
        assert (await next_fact(events, EndRefused)).job_id == handle.id
        assert await result == 3
        assert runner.stats().refused_ends == 1
        assert (runner.stats().completed, runner.stats().processing) == (1, 0)


async def test_a_fault_at_the_very_end_leaves_the_job_to_the_next_start(
    store: FaultStore, clock: FakeClock, database: Path
) -> None:
    runner = JobRunner(store, jobs=[quick], clock=clock, drain_timeout=0, cancel_grace=0)
    async with runner:
        store.faults = [Fault(error=FULL, when=holding(Complete))]
        handle = await runner.enqueue(quick)
        await next_fact(runner.watch(), StoreDegraded)
    async with JobRunner(database, jobs=[quick]) as second:
        await second.run_until_idle()
        found = await second.jobs.get(handle.id)
        assert (found.status, found.attempts, found.interruptions) == (Status.COMPLETED, 1, 1)
        await Probe(second).rescue()


# A write that the store rejects.


async def test_a_rejected_call_fails_alone(runner: JobRunner, store: FaultStore) -> None:
    store.faults = [Fault(Kind.REJECTED, when=holding(CancelJob, id=2))]
    async with runner:
        handles = await runner.enqueue_many([quick.using(delay="1h").bind(n) for n in range(4)])
        answers = await asyncio.gather(*(handle.cancel() for handle in handles), return_exceptions=True)
        rejected = answers.pop(1)
        assert isinstance(rejected, StoreRejected)
        assert answers == [Status.CANCELLED] * 3
        assert runner.stats().degraded is None
        assert (runner.stats().cancelled, runner.stats().pending) == (3, 1)


async def test_a_result_that_the_store_rejects_still_ends_its_job(runner: JobRunner, store: FaultStore) -> None:
    store.faults = [Fault(Kind.REJECTED, when=holding(Complete, result="13"))]
    async with runner:
        handles = await runner.enqueue_many([quick.bind(n) for n in range(12, 16)])
        answers = await asyncio.gather(*(handle.result() for handle in handles), return_exceptions=True)
        assert [answers[0], *answers[2:]] == [12, 14, 15]
        assert isinstance(answers[1], ResultNotKept)
        assert "its end could not be stored" in str(answers[1])
        assert (await handles[1].job()).status is Status.COMPLETED


async def test_an_end_that_is_never_taken_is_given_back_and_run_again(
    runner: JobRunner, clock: FakeClock, store: FaultStore
) -> None:
    ran: list[int] = []

    @runner.job
    async def noted() -> int:
        ran.append(1)
        return 1

    async with runner:
        store.faults = [Fault(error=REJECTED, when=holding(Complete, Close))]
        handle = await runner.enqueue(noted)
        await until(lambda: ran == [1])
        attempts = engine_of(runner).attempts
        await until(lambda: handle.id not in attempts.watch_owned())  # given up
        assert (await handle.job()).status is Status.PROCESSING
        store.faults.clear()
        result = asyncio.ensure_future(handle.result())
        await as_time_passes(clock, 2, result.done)
        assert await result == 1
        assert ran == [1, 1]
        assert ((await handle.job()).attempts, (await handle.job()).interruptions) == (1, 1)


async def test_a_tick_is_not_lost_to_a_store_that_fails(runner: JobRunner, clock: FakeClock, store: FaultStore) -> None:
    @runner.cron("* * * * *")
    async def report() -> None: ...

    async with runner:
        events = runner.watch()
        store.faults = [Fault(error=FULL, when=holding(FireTick))]
        clock.advance("1m")
        await next_fact(events, StoreDegraded)
        store.faults.clear()
        clock.advance(0.5)
        await next_fact(events, StoreRecovered)
        clock.advance(0.5)
        assert (await next_fact(events, TickFired)).tick == FakeClock().time.replace(minute=1)
        await runner.run_until_idle()
        assert runner.stats().by_type["report"].completed == 1


# The start.


async def test_the_start_rescues_and_what_awaits_the_job_are_answered(
    database: Path, clock: FakeClock, owner_files: Callable[[], list[str]]
) -> None:
    job_id = await orphaned(database, clock)
    (database.parent / f"{database.name}-owner-{DEAD_OWNER}").touch()
    runner = JobRunner(database, jobs=[quick], clock=clock)
    events = runner.watch()
    async with runner:
        assert await next_fact(events, OwnerRescued) == OwnerRescued(DEAD_OWNER, 1)
        await runner.run_until_idle()
        found = await runner.jobs.get(job_id)
        assert (found.status, found.attempts, found.crashes) == (Status.COMPLETED, 2, 1)
        while len(owner_files()) > 1:
            clock.advance(2)
            await quiet()
            await runner.jobs.list(limit=1)


async def test_what_awaits_a_job_that_is_lost_once_too_often_is_notified(database: Path, clock: FakeClock) -> None:
    async with JobRunner(database, jobs=[quick], max_running=0, clock=clock) as runner:
        events = runner.watch()
        handle = await runner.enqueue(quick)
        result = asyncio.ensure_future(handle.result())
        for _ in range(3):
            assert await claimed_by_the_dead(runner) == [handle.id]
            assert not result.done()
            rescued = asyncio.ensure_future(next_fact(events, OwnerRescued))
            await as_time_passes(clock, 2, rescued.done)
            await rescued
        with pytest.raises(JobDead, match="crashed"):
            await result


@pytest.mark.parametrize("how", ["read fails", "takes too long"])
async def test_a_first_rescue_that_fails_is_put_off_and_the_start_goes_on(
    database: Path,
    clock: FakeClock,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
) -> None:
    job_id = await orphaned(database, clock)
    store = faulty(database)
    if how == "read fails":
        store.faults = [Fault(method="ask", error=FULL, when=looks_for_many)]
    else:
        monkeypatch.setattr(startup, "FIRST_RESCUE_S", 0)
    runner = JobRunner(store, jobs=[quick], clock=clock)
    async with runner:
        assert "could not be given back at the start, which is tried again" in caplog.text
        assert (await runner.jobs.get(job_id)).status is Status.PROCESSING
        store.faults.clear()
        events = runner.watch()
        completed = asyncio.ensure_future(next_fact(events, JobCompleted))
        await as_time_passes(clock, 2, completed.done)
        assert (await completed).job_id == job_id


async def test_a_start_whose_first_write_fails_opens_nothing(
    runner: JobRunner, store: FaultStore, owner_files: Callable[[], list[str]]
) -> None:
    store.faults = [Fault(error=FULL)]
    with pytest.raises(StoreUnavailable, match="SQLITE_FULL"):
        await runner.__aenter__()
    assert owner_files() == []
    store.faults.clear()
    async with runner:
        assert await (await runner.enqueue(quick, 2)).result() == 2


async def test_jobs_of_types_that_are_not_registered_are_named_at_the_start(database: Path, runner: JobRunner) -> None:
    @job
    async def elsewhere() -> None: ...

    async with JobRunner(database, jobs=[quick, elsewhere], max_running=0) as both:
        await both.enqueue_many([elsewhere.bind(), elsewhere.bind()])
    events = runner.watch()
    async with runner:
        assert await next_fact(events, TypesUnclaimed) == TypesUnclaimed("elsewhere (2)")
        assert runner.stats().unclaimed == {"elsewhere": 2}


@pytest.mark.parametrize(
    ("others", "most", "expected"),
    [
        ([0], 1, ["elsewhere (1), strange (1)"]),
        ([1], 1, ["strange (1)"]),
        ([], 0, ["elsewhere (1), strange (1)"]),
        ([0], 0, ["elsewhere (1), strange (1)"]),
        ([0, 1], 0, []),
    ],
)
async def test_types_of_live_runners_are_not_named_and_none_by_a_runner_that_runs_nothing_beside_them(
    database: Path, others: list[int], most: int, expected: list[str]
) -> None:
    @job
    async def elsewhere() -> None: ...

    @job
    async def strange() -> None: ...

    async with JobRunner(database, jobs=[elsewhere, strange], max_running=0) as both:
        await both.enqueue_many([one.using(delay="1h").bind() for one in (elsewhere, strange)])
    async with AsyncExitStack() as live:
        for others_most in others:
            await live.enter_async_context(JobRunner(database, jobs=[elsewhere], max_running=others_most))
        runner = JobRunner(database, jobs=[quick], max_running=most)
        events = runner.watch()
        async with runner:
            pass
        named = [fact.types async for fact in events if isinstance(fact, TypesUnclaimed)]
    assert named == expected


# A part that fails.


@pytest.mark.parametrize("part", [Committer, Dispatcher, Janitor, Ticker, ChangeWatcher, ClockMonitor, LoopMonitor])
async def test_a_part_that_fails_is_logged_and_started_again(
    runner: JobRunner, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, part: Any
) -> None:
    monkeypatch.setattr(guard, "RESTART_PAUSE_S", 0)
    working: Callable[[Any], Awaitable[None]] = part.run
    failures = [KeyError("a defect"), StoreUnavailable("SQLITE_BUSY", "locked"), KeyError("a defect")]
    started = asyncio.Event()

    async def fails_at_first(self: object) -> None:
        if failures:
            raise failures.pop(0)
        started.set()
        await working(self)

    monkeypatch.setattr(part, "run", fails_at_first)
    async with runner:
        await started.wait()
        assert await (await runner.enqueue(quick, 8)).result() == 8
    defect, fault = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert (defect.levelno, fault.levelno) == (logging.ERROR, logging.WARNING)
    assert "started again" in defect.getMessage()
    assert "SQLITE_BUSY" in fault.getMessage()


async def test_an_engine_that_ends_by_a_defect_of_its_own_does_not_reach_the_host(
    runner: JobRunner, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, owner_files: Any
) -> None:
    async def broken(_self: object) -> None:
        raise KeyError("a defect")

    monkeypatch.setattr(Drain, "run", broken)
    async with runner:
        await (await runner.enqueue(quick)).result()
    assert "the engine stopped; this is a defect of the library" in caplog.text
    assert owner_files() == []


async def test_a_job_asked_to_stop_by_another_runner_stops(database: Path) -> None:
    entered = asyncio.Event()

    @job(name="waits")
    async def waits() -> None:
        entered.set()
        await asyncio.Event().wait()

    async with JobRunner(database, jobs=[waits]) as works:
        handle = await works.enqueue(waits)
        await entered.wait()
        async with JobRunner(database, jobs=[waits], max_running=0) as looks:
            assert await looks.jobs.cancel(handle.id) is Status.PROCESSING
            await until(lambda: works.stats().cancelled == 1)
        assert (await handle.job()).status is Status.CANCELLED


async def test_after_a_jump_of_the_clock_what_is_due_now_runs(clock: FakeClock) -> None:
    runner = JobRunner(":memory:", jobs=[quick], clock=clock)
    async with runner:
        handle = await runner.enqueue(quick.using(delay="1d"), 9)
        await runner.run_until_idle()
        step_unnoticed(clock, 2 * 86400)
        assert await handle.result() == 9


async def test_after_a_jump_of_the_clock_a_schedule_fires(clock: FakeClock) -> None:
    runner = JobRunner(":memory:", clock=clock)
    ticked = asyncio.Event()

    @runner.cron("0 * * * *")
    async def hourly() -> None:
        ticked.set()

    async with runner:
        await runner.run_until_idle()
        assert not ticked.is_set()
        step_unnoticed(clock, 2 * 86400)
        assert await ticked.wait()


async def test_a_read_that_fails_reaches_its_caller_alone(runner: JobRunner, store: FaultStore) -> None:
    async with runner:
        store.faults = [Fault(method="ask", error=FULL, when=looks_for_many)]
        with pytest.raises(StoreUnavailable):
            await runner.jobs.list()
        assert await (await runner.enqueue(quick, 1)).result() == 1  # writing goes on
        assert runner.stats().degraded is None
        store.faults.clear()
        assert len(await runner.jobs.list()) == 1


async def test_an_engine_that_the_application_cancels_says_so(
    runner: JobRunner, caplog: pytest.LogCaptureFixture
) -> None:
    async with runner:
        (owned,) = (task for task in asyncio.all_tasks() if task.get_name() == "aiojobs_lite engine")
        owned.cancel()
        await asyncio.wait([owned])
        with pytest.raises(RunnerClosed):
            await runner.enqueue_named("quick")
    assert "the engine was cancelled while its runner is in use" in caplog.text
