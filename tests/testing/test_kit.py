"""The testing kit: a runner of an application in memory, moved by the clock, crashed, and what was enqueued in it."""

from __future__ import annotations

import asyncio
import threading
import unittest
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from aiojobs_lite import Abandon, Backoff, InvalidOption, JobContext, JobRunner, JobType, Retry, Snooze, injected
from aiojobs_lite.errors import RunnerAlreadyStarted, RunnerClosed, RunnerNotStarted, StoreUnavailable, WrongEventLoop
from aiojobs_lite.model.job import Outcome, Status
from aiojobs_lite.model.queries import GetJob
from aiojobs_lite.testing import JobKit, JobsNotFinished
from aiojobs_lite.testing.store import KitStore, Notes
from tests.helpers.kits import move_when_quiet
from tests.helpers.waiting import PATIENCE


class Application:
    """An application with a runner, which its lifespan starts on a file."""

    def __init__(self, database: Path) -> None:
        self.runner = runner = JobRunner(database)
        self.ran: list[int] = []

        @runner.job(max_attempts=3, backoff=Backoff(base="1m"))
        async def welcome(user_id: int, lang: str = "en") -> str:
            self.ran.append(user_id)
            return f"{lang} {user_id}"

        async def sign_up(request: Request) -> JSONResponse:
            handle = await runner.enqueue(welcome.using(delay="1h"), user_id=int(request.path_params["user"]))
            return JSONResponse({"job": handle.id})

        @asynccontextmanager
        async def lifespan(_app: Starlette) -> AsyncIterator[None]:
            async with runner:
                yield

        self.welcome = welcome
        self.asgi = Starlette(routes=[Route("/{user}", sign_up, methods=["POST"])], lifespan=lifespan)


@pytest.fixture
def application(database: Path) -> Application:
    return Application(database)


# Replacing.


def test_an_application_in_another_thread_runs_in_memory_on_the_fake_clock(
    application: Application, database: Path, job_kit: JobKit
) -> None:
    job_kit.replace(application.runner)
    for users in ([1], [1, 2]):
        with TestClient(application.asgi) as client:
            assert client.post("/2").json() == {"job": 1}  # each start begins without jobs
            job_kit.wait_for(job_kit.advance("59m"))
            assert application.ran == [2] * (len(users) - 1)
            job_kit.wait_for(job_kit.advance("1m"))
            assert application.ran == [2] * len(users)
            assert job_kit.wait_for(application.runner.jobs.get(1)).result == "en 2"
    assert not database.exists()


async def test_an_application_on_the_event_loop_of_the_test(
    application: Application, database: Path, job_kit: JobKit
) -> None:
    job_kit.replace(application.runner)
    app = application.asgi
    async with app.router.lifespan_context(app):
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://test") as client:
            assert (await client.post("/7")).json() == {"job": 1}
        await job_kit.advance("1h")
        assert application.ran == [7]
    assert not database.exists()


async def test_a_test_on_one_event_loop_moves_an_application_on_another(
    application: Application, job_kit: JobKit
) -> None:
    job_kit.replace(application.runner)
    with TestClient(application.asgi) as client:
        client.post("/1")
        await job_kit.advance("1h")
        assert application.ran == [1]


async def test_what_was_replaced_is_given_back(application: Application, database: Path) -> None:
    with JobKit() as kit:
        kit.replace(application.runner)
        with pytest.raises(RunnerNotStarted, match=r"in a test inside `async with job_kit\(runner\):`"):
            await kit.advance("1h")
        async with application.runner:
            with pytest.raises(RunnerAlreadyStarted):
                kit.replace(application.runner)
    assert not database.exists()
    async with application.runner:
        assert database.exists()


def test_the_kit_waits_for_nothing_without_a_started_runner(job_kit: JobKit) -> None:
    with pytest.raises(RunnerNotStarted):
        job_kit.wait_for(job_kit.advance("1h"))


async def test_the_kit_waits_for_a_coroutine_only(job_kit: JobKit) -> None:
    async with job_kit():
        for wrong in (job_kit.advance, asyncio.get_running_loop().create_future()):
            with pytest.raises(
                InvalidOption, match=r"^work=.*: expected a coroutine, which the call of an `async def`"
            ):
                await asyncio.to_thread(job_kit.wait_for, wrong)  # type: ignore[arg-type]  # the mistake


async def test_the_kit_does_not_block_the_event_loop_of_the_runner(job_kit: JobKit) -> None:
    async with job_kit():
        with pytest.raises(WrongEventLoop, match="wait_for would block the runner's own event loop"):
            job_kit.wait_for(job_kit.advance("1h"))


def test_a_timer_is_called_on_the_event_loop_that_arranged_it(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")
    threads, started = list[int](), threading.Event()

    @runner.job(timeout="1h", max_attempts=1)
    async def hangs() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            threads.append(threading.get_ident())

    async def serve() -> None:
        async with job_kit(runner):
            await runner.enqueue(hangs)
            async with asyncio.timeout(PATIENCE):
                await runner.run_until_idle()

    thread = threading.Thread(target=lambda: asyncio.run(serve()))
    thread.start()
    started.wait(PATIENCE)
    job_kit.clock.advance("1h")
    thread.join(PATIENCE)
    assert threads == [thread.ident]


class TestWithUnittest(unittest.IsolatedAsyncioTestCase):
    """The kit takes no pytest."""

    def setUp(self) -> None:
        self.kit = JobKit()
        self.addCleanup(self.kit.close)

    async def test_it(self) -> None:
        runner = JobRunner(":memory:")
        seen = list[int]()

        @runner.job
        async def note(n: int) -> None:
            seen.append(n)

        async with self.kit(runner):
            await runner.enqueue(note.using(delay="1d"), 3)
            await self.kit.run_to_end()
        assert seen == [3]


# Running.


async def test_each_job_comes_due_at_its_own_time(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")
    seen = list[tuple[str, str]]()

    @runner.job
    async def note(name: str) -> None:
        seen.append((name, f"{job_kit.clock.time:%H:%M}"))
        if name == "first":
            await runner.enqueue(note.using(delay="2m"), "child")

    @runner.cron("*/2 * * * *")
    async def tick(ctx: JobContext = injected) -> None:
        seen.append(("tick", f"{job_kit.clock.time:%H:%M}"))

    async with job_kit(runner):
        await runner.enqueue(note.using(delay="5m"), "last")
        await runner.enqueue(note.using(delay="1m"), "first")
        await job_kit.advance("5m")
    assert seen == [
        ("first", "00:01"), ("tick", "00:02"), ("child", "00:03"), ("tick", "00:04"), ("last", "00:05"),
    ]  # fmt: skip
    assert f"{job_kit.clock.time:%H:%M:%S}" == "00:05:00"


async def test_jobs_run_to_their_end_over_all_waits(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")
    attempts = list[int]()

    @runner.job(max_attempts=8)
    async def fails(ctx: JobContext = injected) -> None:
        attempts.append(ctx.attempt)
        raise ValueError("no")

    async with job_kit(runner):
        handle = await runner.enqueue(fails.using(delay="3d"))
        await job_kit.run_to_end()
        assert (await handle.job()).status is Status.DEAD
    assert attempts == [1, 2, 3, 4, 5, 6, 7, 8]


async def test_a_job_that_never_ends_is_named(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job
    async def poll() -> None:
        raise Snooze("1m")

    async with job_kit(runner):
        await runner.enqueue(poll)
        with pytest.raises(
            JobsNotFinished,
            match=r"after 3 moves .*\(the clock stands at 2026-.* job 1 of poll waits: it is due in 1 min",
        ) as caught:
            await job_kit.run_to_end(most_moves=3)
        assert [job.id for job in caught.value.jobs] == [1]


async def test_a_job_that_cannot_run_is_named(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job
    async def noop() -> None: ...

    async with job_kit(runner):
        await runner.types.pause("noop")
        await runner.enqueue(noop)
        with pytest.raises(JobsNotFinished, match=r"cannot run, .* job 1 of noop waits: its type is paused"):
            await job_kit.run_to_end()


async def test_a_handler_that_hangs_is_named(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:", drain_timeout=0.01)

    @runner.job
    async def hangs() -> None:
        await asyncio.Event().wait()

    async with job_kit(runner):
        await runner.enqueue(hangs)
        with pytest.raises(JobsNotFinished, match=r"still run after 0\.1 s .* job 1 of hangs runs: attempt 1 of 5"):
            await job_kit.run_to_end(timeout=0.1)


# Errors of handlers.


async def ran(kit: JobKit, runner: JobRunner, job_type: JobType[[], None]) -> None:
    async with kit(runner, raise_errors=True):
        handle = await runner.enqueue(job_type)
        await kit.run_to_end()
        assert (await handle.job()).status is Status.COMPLETED


async def test_the_first_exception_of_a_handler_is_raised(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")
    raised = KeyError("first")

    @runner.job(max_attempts=2)
    async def fails(ctx: JobContext = injected) -> None:
        if ctx.attempt == 1:
            raise raised
        raise ValueError("second")

    with pytest.raises(KeyError) as caught:
        await ran(job_kit, runner, fails)
    assert caught.value is raised
    assert caught.value.__notes__ == ["raised by fails job 1, attempt 1 of 2"]
    assert "fails" in [entry.name for entry in caught.traceback]


async def test_an_assertion_that_a_handler_made_fail_is_explained_by_its_exception(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job(max_attempts=1)
    def fails() -> None:
        raise OSError("disk")

    async def failing() -> None:
        async with job_kit(runner, raise_errors=True):
            handle = await runner.enqueue(fails)
            await runner.run_until_idle()
            assert (await handle.job()).status is Status.COMPLETED

    with pytest.raises(OSError, match="disk") as caught:
        await failing()
    assert isinstance(caught.value.__context__, AssertionError)


@pytest.mark.parametrize("signal", [Retry("later", after="1s"), Snooze("1s")])
async def test_what_a_handler_asks_for_is_no_error(job_kit: JobKit, signal: Exception) -> None:
    runner, asked = JobRunner(":memory:"), list[int]()

    @runner.job
    async def asks(ctx: JobContext = injected) -> None:
        asked.append(ctx.attempt)
        if len(asked) == 1:
            raise signal

    async with job_kit(runner, raise_errors=True):
        await runner.enqueue(asks)
        await job_kit.run_to_end()
    assert len(asked) == 2


async def test_a_death_by_abandon_and_a_timeout_are_errors(job_kit: JobKit, monkeypatch: pytest.MonkeyPatch) -> None:
    move_when_quiet(monkeypatch)
    runner = JobRunner(":memory:")

    @runner.job
    async def abandons() -> None:
        raise Abandon("bad input")

    @runner.job(timeout="1s")
    async def hangs() -> None:
        await asyncio.Event().wait()

    with pytest.raises(Abandon):
        await ran(job_kit, runner, abandons)

    async def timed_out() -> None:
        async with job_kit(runner, raise_errors=True):
            await runner.enqueue(hangs)
            await job_kit.advance("1s")
            await runner.run_until_idle()

    with pytest.raises(TimeoutError, match="1 s"):
        await timed_out()


def test_the_error_of_a_replaced_runner_is_raised_at_the_end(application: Application) -> None:
    runner = application.runner

    @runner.job(max_attempts=1)
    async def fails() -> None:
        raise ValueError("late")

    kit = JobKit()
    kit.replace(runner, raise_errors=True)
    with TestClient(application.asgi):
        kit.wait_for(runner.enqueue(fails))
        kit.wait_for(runner.run_until_idle())
    with pytest.raises(ValueError, match="late"):
        kit.close()


# What was enqueued.


@pytest.mark.parametrize("runs", [True, False])
async def test_what_was_enqueued_is_found(application: Application, job_kit: JobKit, runs: bool) -> None:
    runner, welcome = application.runner, application.welcome
    async with job_kit(runner, run=runs):
        await runner.enqueue(welcome.using(label="eu", priority="low"), user_id=1)
        await runner.enqueue_many([welcome.bind(2, "fr"), welcome.bind(3)])
        await runner.run_until_idle()
        assert sorted(application.ran) == ([1, 2, 3] if runs else [])
        found = job_kit.assert_enqueued(welcome, user_id=1)
        assert (found.id, found.label, found.priority) == (1, "eu", "low")
        assert job_kit.assert_enqueued(welcome).id == 1
        assert job_kit.assert_enqueued("welcome", lang="fr").id == 2
        assert job_kit.assert_enqueued(welcome, lang="en", user_id=3).id == 3  # by its default
        job_kit.refute_enqueued(welcome, user_id=4)
        job_kit.refute_enqueued("other")
    assert len(job_kit.enqueued) == 3


async def test_what_was_enqueued_instead_is_shown(application: Application, job_kit: JobKit) -> None:
    welcome = application.welcome
    with pytest.raises(AssertionError, match=r"welcome\(user_id=4\) was not enqueued. Nothing was."):
        job_kit.assert_enqueued(welcome, user_id=4)
    async with job_kit(application.runner, run=False) as running:
        for user in range(30):
            await running.enqueue(welcome, user_id=user, lang="de")
    with pytest.raises(AssertionError) as caught:
        job_kit.assert_enqueued(welcome, user_id=31)
    lines = str(caught.value).splitlines()
    assert lines[:2] == [
        "welcome(user_id=31) was not enqueued. Enqueued were:", "  job 1 welcome(user_id=0, lang='de')",
    ]  # fmt: skip
    assert lines[-1] == "  and 10 more"
    with pytest.raises(AssertionError, match=r"welcome\(user_id=1\) was enqueued:\n  job 2 welcome"):
        job_kit.refute_enqueued(welcome, user_id=1)


async def test_a_misspelt_argument_is_no_absence(application: Application, job_kit: JobKit) -> None:
    with pytest.raises(
        InvalidOption, match=r"^user=1: .* an argument of 'welcome' in its place, which has user_id, lang"
    ):
        job_kit.refute_enqueued(application.welcome, user=1)
    with pytest.raises(InvalidOption, match="a job type"):
        job_kit.assert_enqueued(len)  # type: ignore[arg-type]  # the mistake
    for check in (job_kit.assert_enqueued, job_kit.refute_enqueued):
        with pytest.raises(InvalidOption, match=r"arguments=\(1,\): expected arguments by name, such as user_id=1\."):
            check(application.welcome, 1)  # type: ignore[arg-type]  # the mistake


async def test_jobs_of_jobs_and_ticks_were_enqueued_and_repeats_not(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job
    async def child(n: int) -> None: ...

    @runner.job
    async def parent() -> None:
        await runner.enqueue(child.using(idempotency_key="one"), 5)

    @runner.cron("@daily")
    async def digest() -> None: ...

    async with job_kit(runner):
        await runner.enqueue(parent)
        await runner.enqueue(parent)
        await job_kit.advance("1d")
    assert sorted(job.type for job in job_kit.enqueued) == ["child", "digest", "parent", "parent"]
    assert job_kit.assert_enqueued(digest).schedule == "digest"
    assert job_kit.assert_enqueued(child, n=5).idempotency_key == "one"


async def test_jobs_of_a_batch_and_jobs_after_others_were_enqueued(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job
    async def part(number: int) -> None: ...

    async with job_kit(runner, run=False):
        async with runner.batches.open() as batch:
            first = await batch.enqueue(part, 1)
            await batch.enqueue_many([part.using(after=[first]).bind(2)])
        await runner.enqueue(part.using(after=[first]), 3)
    assert [(job.id, job.arguments["number"]) for job in job_kit.enqueued] == [(1, 1), (2, 2), (3, 3)]


async def test_the_callback_of_a_batch_was_enqueued_when_its_jobs_have_ended(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job
    async def part(number: int) -> None: ...

    @runner.job
    async def done(batch_id: int) -> None: ...

    async with job_kit(runner):
        async with runner.batches.open(on_complete=done, on_dead=done) as batch:
            await batch.enqueue(part.using(delay="1h"), 1)
        job_kit.refute_enqueued(done)
        await job_kit.run_to_end()
    assert [job.type for job in job_kit.enqueued] == [part.name, done.name]
    job_kit.assert_enqueued(done, batch_id=batch.id)


# Crashes.


class Charging:
    """A job that is at work until it is set free, and a runner for it."""

    def __init__(self) -> None:
        self.runner = runner = JobRunner(":memory:", drain_timeout=0.1)
        self.started, self.free = asyncio.Event(), asyncio.Event()
        self.attempts: list[int] = []
        self.done: list[int] = []

        @runner.job
        async def charge(order: int) -> None:
            self.attempts.append(order)
            self.started.set()
            await self.free.wait()
            self.done.append(order)

        self.charge = charge


@pytest.mark.parametrize("on_file", [False, True])
async def test_a_job_of_a_crashed_runner_is_rescued(job_kit: JobKit, database: Path, on_file: bool) -> None:
    case = Charging()
    where = database if on_file else ":memory:"
    job_kit.replace(case.runner, database=where)
    async with case.runner:
        handle = await case.runner.enqueue(case.charge, order=7)
        later = await case.runner.enqueue(case.charge.using(delay="1d"), order=8)
        await case.started.wait()
        await job_kit.crash()
    case.free.set()
    async with case.runner:
        await job_kit.advance("1m")
        job = await case.runner.jobs.get(handle.id)
        assert (job.status, job.attempts, job.crashes) == (Status.COMPLETED, 2, 1)
        assert [one.outcome for one in job.history] == [Outcome.LOST]
        assert (await case.runner.jobs.get(later.id)).status is Status.PENDING
    assert case.attempts == [7, 7]
    assert case.done == [7]


async def test_the_next_block_of_a_crashed_runner_goes_on_with_its_database(job_kit: JobKit) -> None:
    case = Charging()
    async with job_kit(case.runner):
        handle = await case.runner.enqueue(case.charge, order=7)
        await case.started.wait()
        await job_kit.crash()
        with pytest.raises(RunnerClosed):
            await case.runner.enqueue(case.charge, order=8)
    case.free.set()
    async with job_kit(case.runner):
        await job_kit.run_to_end()
        assert (await case.runner.jobs.get(handle.id)).crashes == 1
    assert (case.attempts, case.done) == ([7, 7], [7])


async def test_a_store_that_vanished_takes_nothing_more(tmp_path: Path) -> None:
    opened = list[None]()
    notes = Notes(enqueued=lambda *_: None, sent=lambda _: None, ended=lambda _: False)
    store = KitStore(":memory:", folder=lambda: str(tmp_path), opened=lambda: opened.append(None), notes=notes)
    await store.open()
    store.vanish()
    for call in (store.apply([], 0), store.ask(GetJob(1)), store.maintain(0)):
        with pytest.raises(StoreUnavailable, match="the testing kit let this runner crash"):
            await call
    await store.close()
    await store.open()
    assert await store.ask(GetJob(1)) is None
    await store.close()
    assert len(opened) == 2


@pytest.mark.parametrize("move", ["run_until_idle", "advance", "run_to_end"])
async def test_a_handler_can_crash_in_its_midst(job_kit: JobKit, move: str) -> None:
    runner = JobRunner(":memory:")
    steps = list[str]()

    @runner.job
    async def charge() -> None:
        steps.append("charged")
        if len(steps) == 1:
            await job_kit.crash()
        steps.append("noted")

    job_kit.replace(runner)
    async with runner:
        handle = await runner.enqueue(charge if move == "run_until_idle" else charge.using(delay="1h"))
        if move == "run_until_idle":
            await runner.run_until_idle()
        else:
            await (job_kit.advance("2h") if move == "advance" else job_kit.run_to_end())
    async with runner:
        await job_kit.advance("1m")
        assert (await runner.jobs.get(handle.id)).crashes == 1
    assert steps == ["charged", "charged", "noted"]


def test_a_crash_in_another_thread_and_an_event_loop_of_its_own_after_it(
    application: Application, job_kit: JobKit
) -> None:
    job_kit.replace(application.runner)
    with TestClient(application.asgi) as client:
        client.post("/5")
        job_kit.wait_for(job_kit.crash())
    with TestClient(application.asgi):
        job_kit.wait_for(job_kit.advance("1h"))
    assert application.ran == [5]
