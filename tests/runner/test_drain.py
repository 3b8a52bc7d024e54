"""Starting and leaving: the drain, its bounds, and what is left behind: nothing."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from aiojobs_lite import JobContext, JobRunner, Outcome, Status, StoreError, injected, job
from aiojobs_lite.errors import RunnerAlreadyStarted, RunnerClosed, RunnerError, RunnerNotStarted
from aiojobs_lite.telemetry.facts import AttemptStarted, DrainFinished, DrainStarted
from aiojobs_lite.testing.probe import Probe
from tests.helpers.cancelling import Call, at_every_moment
from tests.helpers.machine import promised
from tests.helpers.rings import deep, depth
from tests.helpers.waiting import PATIENCE, next_fact, quiet, until


async def test_leaving_waits_for_what_runs(database: Path) -> None:
    release, entered = asyncio.Event(), asyncio.Event()

    @job
    async def patient() -> str:
        entered.set()
        await release.wait()
        return "done"

    runner = JobRunner(database, jobs=[patient])
    async with runner:
        events = runner.watch()
        handle = await runner.enqueue(patient)
        await entered.wait()
        leaving = asyncio.get_running_loop().create_task(runner.__aexit__(None, None, None))
        assert (await next_fact(events, DrainStarted)).running == 1
        late = await runner.enqueue(patient)  # enqueuing still works
        assert runner.stats().draining
        release.set()
        await leaving
        with pytest.raises(RunnerClosed, match="Enter it again"):
            await handle.job()
        async with JobRunner(database, jobs=[patient]) as second:  # in one file, one after the other
            assert (await second.jobs.get(handle.id)).status is Status.COMPLETED
            assert (await second.jobs.get(late.id)).attempts in (0, 1)
            await second.run_until_idle()
            assert second.stats().completed == 2
        await runner.__aenter__()


async def test_a_wait_ends_with_the_drain_while_the_runner_is_still_open(database: Path) -> None:
    """A server closes its runner when the last request has ended, which may be the one that waits."""
    entered = asyncio.Event()

    @job
    async def endless() -> None:
        entered.set()
        await asyncio.Event().wait()

    @job
    async def quick() -> int:
        return 7

    async with asyncio.timeout(PATIENCE), JobRunner(database, jobs=[endless, quick], drain_timeout=0) as runner:
        finished = await runner.enqueue(quick)
        assert await finished.result() == 7
        handle = await runner.enqueue(endless)
        await entered.wait()
        waiting = asyncio.create_task(handle.result())
        await quiet()
        Probe(runner).drain()
        with pytest.raises(RunnerClosed):
            await waiting
        with pytest.raises(RunnerClosed):
            await handle.result()  # asked for after the drain
        assert await finished.result() == 7
        assert (await handle.job()).attempts == 0


async def test_a_wait_has_the_result_of_a_job_that_ends_in_the_drain(database: Path) -> None:
    release, entered = asyncio.Event(), asyncio.Event()

    @job
    async def patient() -> str:
        entered.set()
        await release.wait()
        return "done"

    async with asyncio.timeout(PATIENCE), JobRunner(database, jobs=[patient]) as runner:
        facts = runner.watch()
        handle = await runner.enqueue(patient)
        await entered.wait()
        waiting = asyncio.create_task(handle.result())
        Probe(runner).drain()
        await next_fact(facts, DrainStarted)
        release.set()
        assert await waiting == "done"


async def test_what_takes_too_long_is_interrupted_and_keeps_its_attempt(database: Path) -> None:
    entered = asyncio.Event()
    cleaned: list[bool] = []

    @job
    async def endless() -> None:
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append(True)

    runner = JobRunner(database, jobs=[endless], drain_timeout=0.05)
    async with runner:
        events = runner.watch()
        handle = await runner.enqueue(endless)
        await entered.wait()
    finished = await next_fact(events, DrainFinished)
    assert (finished.interrupted, finished.left, cleaned) == ((handle.id,), (), [True])
    async with JobRunner(database, jobs=[endless], max_running=0) as looking:
        found = await looking.jobs.get(handle.id)
        assert (found.status, found.attempts, found.interruptions) == (Status.PENDING, 0, 1)
        assert [one.outcome for one in found.history] == [Outcome.INTERRUPTED]


@pytest.mark.parametrize("mode", ["swallows", "thread"])
async def test_the_drain_is_bounded_whatever_a_job_does(
    database: Path, owner_files: Callable[[], list[str]], mode: str
) -> None:
    entered, release = asyncio.Event(), threading.Event()
    loop, free = asyncio.get_running_loop(), asyncio.Event()

    @job
    async def swallows() -> None:
        entered.set()
        while not free.is_set():
            try:
                await free.wait()
            except asyncio.CancelledError:
                continue

    @job
    def thread() -> None:
        loop.call_soon_threadsafe(entered.set)
        release.wait(PATIENCE)

    runner = JobRunner(database, jobs=[swallows, thread], drain_timeout=0.1, cancel_grace=0.1)
    await runner.__aenter__()
    events = runner.watch()
    handle = await runner.enqueue_named(mode)
    await entered.wait()
    with promised(1.2):  # both timeouts and a second
        await runner.__aexit__(None, None, None)
    assert (await next_fact(events, DrainFinished)).left == (handle.id,)
    assert len(owner_files()) == 1  # locked for as long as it runs
    async with JobRunner(database, jobs=[swallows, thread]) as second:  # so it is not taken over
        found = await second.jobs.get(handle.id)
        assert (found.status, found.interrupted, found.attempts) == (Status.PROCESSING, True, 1)
        free.set()
        release.set()
        await until(lambda: len(owner_files()) == 1)


async def test_entering_and_leaving_may_happen_in_different_tasks(database: Path) -> None:
    @job
    async def hello() -> str:
        return "hello"

    runner = JobRunner(database, jobs=[hello])
    loop = asyncio.get_running_loop()
    await loop.create_task(runner.__aenter__())
    assert await (await loop.create_task(runner.enqueue(hello))).result() == "hello"
    await loop.create_task(runner.__aexit__(None, None, None))


async def test_a_runner_may_be_entered_again_but_not_twice_at_once(database: Path) -> None:
    @job
    async def hello() -> str:
        return "hello"

    runner = JobRunner(database, jobs=[hello])
    with pytest.raises(RunnerNotStarted, match="not started"):
        await runner.enqueue(hello)
    with pytest.raises(RunnerNotStarted):
        runner.stats()
    for completed in (1, 2):
        async with runner:
            with pytest.raises(RunnerAlreadyStarted, match="is to be entered once"):
                await runner.__aenter__()
            with pytest.raises(RunnerAlreadyStarted, match="cannot be given more job types now"):
                runner.register(hello)
            assert await (await runner.enqueue(hello)).result() == "hello"
        assert runner.stats().completed == completed
        with pytest.raises(RunnerClosed):
            await runner.enqueue(hello)


@pytest.mark.parametrize(
    ("call", "named"),
    [
        (lambda ctx: ctx.runner.stop(), "runner.stop()"),
        (lambda ctx: ctx.runner.run_until_idle(), "runner.run_until_idle()"),
        (lambda ctx: ctx.runner.jobs.wait(ctx.id), "the wait for its own job"),
    ],
)
@pytest.mark.parametrize("has_context", [True, False])
async def test_a_handler_that_would_wait_for_its_own_end_is_refused(
    database: Path, call: Callable[[Any], Any], named: str, has_context: bool
) -> None:
    found: list[str] = []
    runner = JobRunner(database)

    async def refused(job_id: int) -> None:
        with pytest.raises(RunnerError) as caught:
            await call(SimpleNamespace(runner=runner, id=job_id))
        found.append(str(caught.value))

    @runner.job
    async def plain() -> None:
        await refused(1)

    @runner.job
    async def with_context(ctx: JobContext = injected) -> None:
        await refused(ctx.id)

    async with asyncio.timeout(PATIENCE), runner:
        await (await runner.enqueue(with_context if has_context else plain)).result()
    advice = "Call it outside of the handlers of this runner."
    assert found == [f"{named} in the handler of job 1 would wait for the end of that handler. {advice}"]


async def test_a_handler_may_wait_for_another_job_and_for_another_runner_and_a_task_of_it_may_stop_its_own(
    database: Path,
) -> None:
    runner, stopping = JobRunner(database), list[asyncio.Task[None]]()

    @runner.job
    async def first() -> None: ...

    @runner.job
    async def second(other: int) -> None:
        await runner.jobs.wait(other)
        async with JobRunner(":memory:", jobs=[first]) as another:
            await another.enqueue_many([first.bind(), first.bind()])
            await another.run_until_idle()
            await another.jobs.wait(2)  # the number of this job too
        stopping.append(asyncio.get_running_loop().create_task(runner.stop()))

    async with asyncio.timeout(PATIENCE), runner:
        handle = await runner.enqueue(first)
        await (await runner.enqueue(second, handle.id)).result()
        await stopping[0]
        assert runner.stats().completed == 2


async def test_an_exception_in_the_body_drains_and_goes_on(database: Path) -> None:
    with pytest.raises(LookupError, match="mine"):
        async with JobRunner(database):
            raise LookupError("mine")


async def test_a_start_that_fails_leaves_nothing_open(tmp_path: Path) -> None:
    runner = JobRunner(tmp_path / "missing" / "jobs.db")
    for _ in range(3):
        with pytest.raises(StoreError, match="missing directory"):
            await runner.__aenter__()
    (tmp_path / "missing").mkdir()
    async with runner:
        assert runner.stats().pending == 0


@deep
async def test_a_start_that_is_cancelled_at_any_turn_leaves_nothing_open(tmp_path: Path) -> None:
    runners: dict[int, JobRunner] = {}

    async def prepare(moment: int) -> Call:
        runners[moment] = JobRunner(tmp_path / f"{moment}.db")
        return runners[moment].__aenter__

    async for moment, ending in at_every_moment("at_a_turn", prepare, step=depth(6, 1)):
        runner = runners[moment]
        if ending.is_cancelled:
            with pytest.raises((RunnerClosed, RunnerNotStarted)):
                await runner.jobs.list()
        else:
            await runner.__aexit__(None, None, None)
        async with runner:
            assert runner.stats().pending == 0


async def test_a_leave_that_is_cancelled_as_it_waits_for_a_job_hurries_and_still_closes_everything(
    database: Path, owner_files: Callable[[], list[str]]
) -> None:
    entered = asyncio.Event()

    @job
    async def endless() -> None:
        entered.set()
        await asyncio.Event().wait()

    runner = JobRunner(database, jobs=[endless], drain_timeout="1h")
    await runner.__aenter__()
    handle = await runner.enqueue(endless)
    await entered.wait()
    leaving = asyncio.get_running_loop().create_task(runner.__aexit__(None, None, None))
    await quiet()
    leaving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await leaving
    assert owner_files() == []
    async with JobRunner(database, jobs=[endless], max_running=0) as looking:
        assert (await looking.jobs.get(handle.id)).attempts == 0


async def test_two_runners_in_one_process_share_a_file_and_nothing_else(database: Path, tmp_path: Path) -> None:
    ran: list[str] = []

    @job(name="shared")
    async def first(ctx: JobContext = injected) -> None:
        ran.append("first")

    @job(name="shared")
    async def second(ctx: JobContext = injected) -> None:
        ran.append("second")

    one = JobRunner(database, jobs=[first], max_running=0)
    two = JobRunner(database, jobs=[second])
    other = JobRunner(tmp_path / "other.db", jobs=[first], max_running=0)
    async with one, two, other:
        facts_of_other = other.watch()
        handle = await one.enqueue(first)
        await handle.result()  # woken by the commit of the other runner
        assert ran == ["second"]
        assert other.stats().completed == 0
        await other.enqueue(first)
    assert [type(event).__name__ async for event in facts_of_other][:1] == ["JobEnqueued"]


async def test_the_drain_takes_no_new_job(database: Path) -> None:
    release, entered = asyncio.Event(), asyncio.Event()
    ran: list[int] = []

    @job(concurrency=1)
    async def one_at_a_time(n: int) -> None:
        ran.append(n)
        entered.set()
        await release.wait()

    runner = JobRunner(database, jobs=[one_at_a_time])
    async with runner:
        await runner.enqueue_many([one_at_a_time.bind(n) for n in range(5)])
        await entered.wait()
        events = runner.watch()
        Probe(runner).drain()
        release.set()
    assert ran == [0]
    assert [event async for event in events if isinstance(event, AttemptStarted)] == []
    async with runner:
        await runner.run_until_idle()
    assert ran == [0, 1, 2, 3, 4]
