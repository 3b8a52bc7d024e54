"""Resources of a runner and of an attempt: when they are made, what they see, and when they are left."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, contextmanager
from contextlib import suppress as suppressing
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import anyio
import pytest

from aiojobs_lite import JobContext, JobRunner, JobType, PerAttempt, Retry, Status, StoreRefused, injected, job
from aiojobs_lite.engine.resources import Resources
from aiojobs_lite.errors import MissingDependency, ResourceFailed, RunnerAlreadyStarted, RunnerClosed
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.waiting import PATIENCE, until


class First: ...


class Second: ...


class Session:
    """What an attempt works with; it remembers what became of it."""

    def __init__(self) -> None:
        self.seen: list[str] = []


def managed(kind: type[Any], story: list[str]) -> Callable[[], AbstractAsyncContextManager[Any]]:
    """A context manager that writes down its entry and its exit."""

    @asynccontextmanager
    async def manage() -> AsyncIterator[Any]:
        story.append(f"enter {kind.__name__}")
        try:
            yield kind()
        finally:
            story.append(f"leave {kind.__name__}")

    return manage


class Sessions:
    """Makes a session for each attempt, and writes down how it was left."""

    def __init__(self, commit: Callable[[], None] = lambda: None) -> None:
        self.story: list[str] = []
        self.made: list[Session] = []
        self._commit = commit

    @asynccontextmanager
    async def make(self) -> AsyncIterator[Session]:
        session = Session()
        self.made.append(session)
        try:
            yield session
        except BaseException as error:
            self.story.append(f"rolled back: {error!r}")
            raise
        self._commit()
        self.story.append("committed")


def runner_of(job_type: JobType[..., Any], clock: FakeClock, **options: Any) -> JobRunner:
    return JobRunner(":memory:", jobs=[job_type], clock=clock, **options)


# Of the runner.


async def test_they_are_entered_in_their_order_and_left_after_the_drain_the_last_first(clock: FakeClock) -> None:
    story: list[str] = []
    begun = asyncio.Event()

    @job
    async def work(first: First = injected, second: Second = injected) -> None:
        assert (type(first), type(second)) == (First, Second)
        begun.set()
        await asyncio.sleep(0)
        story.append("worked")

    deps = {First: managed(First, story), Second: managed(Second, story)}
    runner = runner_of(work, clock, deps=deps)
    for _ in range(2):  # it may be entered again
        async with runner:
            story.append("started")
            await runner.enqueue(work)
            await begun.wait()
        begun.clear()
    assert story == [
        "enter First", "enter Second", "started", "worked", "leave Second", "leave First",
    ] * 2  # fmt: skip


async def test_entering_and_leaving_happen_in_one_task_whatever_tasks_start_and_stop(clock: FakeClock) -> None:
    tasks: list[Any] = []

    @asynccontextmanager
    async def manage() -> AsyncIterator[First]:
        tasks.append(asyncio.current_task())
        async with anyio.create_task_group():  # it must be left where it was entered
            yield First()
        tasks.append(asyncio.current_task())

    @job
    async def work() -> None: ...

    runner = runner_of(work, clock, deps={First: manage})
    await asyncio.create_task(runner.start())
    await asyncio.create_task(runner.stop())
    assert tasks[0] is tasks[1] is not asyncio.current_task()


@pytest.mark.parametrize("error", [OSError("no server"), SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()])
async def test_one_that_fails_at_the_start_is_named_and_nothing_is_left_open(
    clock: FakeClock, database: Path, error: BaseException
) -> None:
    story: list[str] = []

    def fail() -> Second:
        raise error

    @job
    async def work(second: Second = injected) -> None: ...

    runner = JobRunner(database, jobs=[work], deps={First: managed(First, story), Second: fail}, clock=clock)
    with pytest.raises(ResourceFailed, match="the resource for Second could not be made") as caught:
        await runner.start()
    assert (caught.value.wanted, caught.value.__cause__) == (Second, error)
    assert story == ["enter First", "leave First"]
    assert not database.exists()
    with runner.replaced(database=":memory:", clock=clock, deps={Second: Second()}):
        async with runner:  # it can be tried again
            await (await runner.enqueue(work)).result()


async def test_a_start_that_fails_at_the_database_leaves_them(clock: FakeClock, tmp_path: Path) -> None:
    story: list[str] = []
    runner = JobRunner(tmp_path, deps={First: managed(First, story)}, clock=clock)
    with pytest.raises(StoreRefused):
        await runner.start()
    assert story == ["enter First", "leave First"]


async def test_a_start_that_is_cancelled_or_stopped_leaves_them(clock: FakeClock) -> None:
    story: list[str] = []

    async def hang() -> Second:
        story.append("hangs")
        await asyncio.Event().wait()
        raise AssertionError

    runner = JobRunner(":memory:", deps={First: managed(First, story), Second: hang}, clock=clock)
    for end in ("cancel", "stop"):
        starting = asyncio.create_task(runner.start())
        await until(lambda: "hangs" in story)
        with pytest.raises(RunnerAlreadyStarted):
            await runner.start()
        if end == "cancel":
            starting.cancel()
        else:
            await runner.stop()
        with pytest.raises(asyncio.CancelledError if end == "cancel" else RunnerClosed):
            await starting
        assert story == ["enter First", "hangs", "leave First"]
        story.clear()


async def test_one_that_cannot_be_left_is_logged_and_the_others_are_left(
    clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    story: list[str] = []

    @asynccontextmanager
    async def fail() -> AsyncIterator[Second]:
        yield Second()
        raise SystemExit("not closed")

    async with JobRunner(":memory:", deps={First: managed(First, story), Second: fail}, clock=clock):
        pass
    assert story == ["enter First", "leave First"]
    (record,) = [record for record in caplog.records if "could not be closed" in record.message]
    assert record.message == "the resource for Second could not be closed"
    assert record.exc_info


async def test_a_stop_that_is_cancelled_cancels_what_hangs_and_leaves_the_others(clock: FakeClock) -> None:
    story: list[str] = []

    @asynccontextmanager
    async def hang() -> AsyncIterator[Second]:
        yield Second()
        story.append("hangs")
        await asyncio.Event().wait()

    runner = JobRunner(":memory:", deps={First: managed(First, story), Second: hang}, clock=clock)
    await runner.start()
    stopping = asyncio.create_task(runner.stop())
    await until(lambda: "hangs" in story)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert story == ["enter First", "hangs", "leave First"]


async def test_a_task_group_that_fails_ends_no_job_and_no_host(
    clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    async def child() -> None:
        raise OSError("gone")

    @asynccontextmanager
    async def group() -> AsyncIterator[First]:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(child())
            yield First()

    @job
    async def work(first: First = injected) -> str:
        return "done"

    async with runner_of(work, clock, deps={First: group}) as runner:
        await until(lambda: "could not be closed" in caplog.text)
        assert await (await runner.enqueue(work)).result() == "done"
    assert "they are left while jobs may still run" in caplog.text


async def test_nothing_is_asked_for_where_nothing_runs(clock: FakeClock) -> None:
    def fail() -> First:
        raise AssertionError("it is called")

    @job
    async def work(first: First = injected, second: Second = injected) -> None: ...

    async with runner_of(work, clock, deps={First: fail}, max_running=0) as runner:
        await runner.enqueue(work)
        assert runner.stats().pending == 1
    with pytest.raises(MissingDependency):
        await runner_of(work, clock, deps={First: fail}).start()


async def test_they_are_shared_by_handlers_in_threads(clock: FakeClock) -> None:
    got: list[First] = []

    @job
    def work(first: First = injected, ctx: JobContext = injected) -> None:
        assert threading.current_thread() is not threading.main_thread()
        assert ctx.get(First) is first
        got.append(first)

    async with runner_of(work, clock, deps={First: First}) as runner:
        for _ in range(2):
            await (await runner.enqueue(work)).result()
    assert got[0] is got[1]


# Of an attempt.


@pytest.mark.parametrize("mode", ["async", "thread"])
async def test_one_is_made_for_each_attempt_and_sees_how_it_ended(clock: FakeClock, mode: str) -> None:
    sessions, got = Sessions(), list[Session]()

    def outcome(ctx: JobContext, session: Session, same: Session) -> str:
        got.append(session)
        assert same is ctx.get(Session) is session
        if ctx.attempt == 1:
            raise Retry(after="1s")
        if ctx.attempt == 2:
            raise ValueError("second")
        return "third"

    async def work_async(session: Session = injected, same: Session = injected, ctx: JobContext = injected) -> str:
        return outcome(ctx, session, same)

    def work_thread(session: Session = injected, same: Session = injected, ctx: JobContext = injected) -> str:
        return outcome(ctx, session, same)

    work = job(name="work")(work_async if mode == "async" else work_thread)
    async with (
        runner_of(work, clock, deps={Session: PerAttempt(sessions.make)}) as runner,
    ):
        handle = await runner.enqueue(work)
        for _ in range(3):
            await runner.run_until_idle()
            clock.advance("1h")
        assert await handle.result() == "third"
    assert got == sessions.made
    assert len(set(map(id, got))) == 3
    assert sessions.story[1:] == ["rolled back: ValueError('second')", "committed"]
    assert sessions.story[0].startswith("rolled back: Retry(")


async def test_a_plain_one_of_a_plain_handler_lives_in_the_thread_of_the_handler(clock: FakeClock) -> None:
    """SQLite refuses a connection in another thread than its own, and a commit takes its time."""
    story: list[tuple[str, str]] = []

    def note(what: str) -> None:
        story.append((what, threading.current_thread().name))

    def connect() -> Iterator[sqlite3.Connection]:
        connection = sqlite3.connect(":memory:")
        note("enter")
        with closing(connection), connection:
            yield connection
        note("leave")

    @asynccontextmanager
    async def on_loop() -> AsyncIterator[First]:
        note("enter First")
        yield First()
        note("leave First")

    @job(max_attempts=1)
    def work(database: sqlite3.Connection = injected, first: First = injected, made: Session = injected) -> int:
        note("work")
        assert (type(first), type(made)) == (First, Session)
        number: int = database.execute("SELECT 7").fetchone()[0]
        return number

    deps = {sqlite3.Connection: PerAttempt(connect), First: PerAttempt(on_loop), Session: PerAttempt(Session)}
    async with runner_of(work, clock, deps=deps) as runner:
        assert await (await runner.enqueue(work)).result() == 7
    assert [what for what, _ in story] == ["enter First", "enter", "work", "leave", "leave First"]
    loop, own = threading.current_thread().name, "aiojobs_lite work"
    assert [thread for _, thread in story] == [loop, own, own, own, loop]


@pytest.mark.parametrize("mode", ["async", "thread"])
async def test_what_one_sets_in_context_variables_its_handler_sees(clock: FakeClock, mode: str) -> None:
    plainly, on_loop = ContextVar("plainly", default=0), ContextVar("on_loop", default=0)

    def plain() -> Iterator[First]:
        token = plainly.set(1)
        yield First()
        plainly.reset(token)

    async def waiting() -> AsyncIterator[Second]:
        token = on_loop.set(2)
        yield Second()
        on_loop.reset(token)

    async def work_async(first: First = injected, second: Second = injected) -> list[int]:
        return [plainly.get(), on_loop.get()]

    def work_thread(first: First = injected, second: Second = injected) -> list[int]:
        return [plainly.get(), on_loop.get()]

    work = job(name="work", max_attempts=1)(work_async if mode == "async" else work_thread)
    deps = {First: PerAttempt(plain), Second: PerAttempt(waiting)}
    async with runner_of(work, clock, deps=deps) as runner:
        assert await (await runner.enqueue(work)).result() == [1, 2]
        assert (plainly.get(), on_loop.get()) == (0, 0)


async def test_one_that_hides_that_it_needs_the_event_loop_is_refused_in_a_thread(clock: FakeClock) -> None:
    sessions = Sessions()

    async def make() -> Session:
        raise AssertionError("it is called")

    @job(max_attempts=1)
    def work(session: Session = injected) -> None:
        raise AssertionError("it is called")

    for hidden in (lambda: sessions.make(), lambda: make()):
        async with (
            asyncio.timeout(PATIENCE),
            runner_of(work, clock, deps={Session: PerAttempt(hidden)}) as runner,
        ):
            handle = await runner.enqueue(work)
            await runner.run_until_idle()
            error = (await handle.job()).error or ""
            assert error.startswith("TypeError: the factory for Session makes a ")
            assert "which needs the event loop, and is called in the thread of a plain `def` handler" in error
            assert "Give PerAttempt an `async def` or an @asynccontextmanager itself, not a plain" in error
    assert sessions.made == []


@pytest.mark.parametrize("mode", ["async", "thread"])
async def test_what_a_plain_exit_raises_or_suppresses(clock: FakeClock, mode: str) -> None:
    @contextmanager
    def manage() -> Iterator[Session]:
        with suppressing(ValueError):
            yield Session()
            raise OSError("the commit failed")

    async def work_async(fails: bool, session: Session = injected) -> None:
        if fails:
            raise ValueError("it failed")

    def work_thread(fails: bool, session: Session = injected) -> None:
        if fails:
            raise ValueError("it failed")

    work = job(name="work", max_attempts=1)(work_async if mode == "async" else work_thread)
    async with runner_of(work, clock, deps={Session: PerAttempt(manage)}) as runner:
        handles = [await runner.enqueue(work, fails) for fails in (False, True)]
        await runner.run_until_idle()
        errors = [(await handle.job()).error for handle in handles]
    assert errors == ["OSError: the commit failed", "ValueError: it failed"]


async def test_what_its_exit_raises_is_the_end_of_the_attempt(clock: FakeClock) -> None:
    def fail() -> None:
        raise OSError("the commit failed")

    @job(max_attempts=1)
    async def work(session: Session = injected) -> str:
        return "done"

    async with (
        runner_of(work, clock, deps={Session: PerAttempt(Sessions(fail).make)}) as runner,
    ):
        handle = await runner.enqueue(work)
        await runner.run_until_idle()
        found = await handle.job()
        assert (found.status, found.error) == (Status.DEAD, "OSError: the commit failed")


async def test_what_its_factory_raises_is_the_end_of_the_attempt(clock: FakeClock) -> None:
    async def make() -> Session:
        raise Retry(after="1s")

    @job(max_attempts=2)
    async def work(session: Session = injected) -> str:
        raise AssertionError("it is called")

    async with runner_of(work, clock, deps={Session: PerAttempt(make)}) as runner:
        handle = await runner.enqueue(work)
        await runner.run_until_idle()
        found = await handle.job()
        assert (found.status, found.attempts) == (Status.PENDING, 1)


async def test_an_exit_that_suppresses_the_error_does_not_make_it_a_success(clock: FakeClock) -> None:
    @contextmanager
    def suppress() -> Iterator[Session]:
        with suppressing(ValueError):
            yield Session()

    @job(max_attempts=1)
    async def work(session: Session = injected) -> None:
        raise ValueError("it failed")

    async with runner_of(work, clock, deps={Session: PerAttempt(suppress)}) as runner:
        handle = await runner.enqueue(work)
        await runner.run_until_idle()
        assert (await handle.job()).error == "ValueError: it failed"


@pytest.mark.parametrize("mode", ["async", "thread"])
@pytest.mark.parametrize("where", ["factory", "exit"])
async def test_a_timeout_counts_the_making_and_the_leaving(clock: FakeClock, where: str, mode: str) -> None:
    hangs = asyncio.Event()

    @asynccontextmanager
    async def make() -> AsyncIterator[Session]:
        if where == "factory":
            hangs.set()
            await asyncio.Event().wait()
        yield Session()
        hangs.set()
        await asyncio.Event().wait()

    async def work_async(session: Session = injected) -> None: ...

    def work_thread(session: Session = injected) -> None: ...

    work = job(name="work", max_attempts=1, timeout="5s")(work_async if mode == "async" else work_thread)
    async with runner_of(work, clock, deps={Session: PerAttempt(make)}) as runner:
        handle = await runner.enqueue(work)
        await hangs.wait()
        clock.advance("6s")
        await runner.run_until_idle()
        found = await handle.job()
        assert (found.status, [str(one.outcome) for one in found.history]) == (Status.DEAD, ["timed_out"])


async def test_a_drain_interrupts_and_its_resources_see_it(clock: FakeClock, database: Path) -> None:
    sessions, begun = Sessions(), asyncio.Event()

    @job
    async def work(session: Session = injected) -> None:
        begun.set()
        await asyncio.Event().wait()

    deps = {Session: PerAttempt(sessions.make)}
    async with JobRunner(database, jobs=[work], deps=deps, drain_timeout=0, clock=clock) as runner:
        handle = await runner.enqueue(work)
        await begun.wait()
    async with JobRunner(database, jobs=[work], max_running=0, clock=clock) as runner:
        found = await runner.jobs.get(handle.id)
    assert (found.status, found.interruptions) == (Status.PENDING, 1)
    assert [one[:28] for one in sessions.story] == ["rolled back: CancelledError("]


async def test_a_handler_that_swallows_its_cancellation_commits_nothing(clock: FakeClock) -> None:
    sessions, begun = Sessions(), asyncio.Event()

    @job(max_attempts=1)
    async def work(session: Session = injected) -> str:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "went on"
        raise AssertionError

    deps = {Session: PerAttempt(sessions.make)}
    async with runner_of(work, clock, deps=deps) as runner:
        handle = await runner.enqueue(work)
        await begun.wait()
        await handle.cancel()
        await runner.run_until_idle()
        assert (await handle.job()).status is Status.CANCELLED
    assert "committed" not in sessions.story


async def test_one_that_no_parameter_asks_for_is_not_made_and_the_error_says_how(clock: FakeClock) -> None:
    sessions = Sessions()

    @job(max_attempts=1)
    async def work(ctx: JobContext = injected) -> None:
        ctx.get(Session)

    deps = {Session: PerAttempt(sessions.make)}
    async with runner_of(work, clock, deps=deps) as runner:
        handle = await runner.enqueue(work)
        await runner.run_until_idle()
        error = (await handle.job()).error
        assert error is not None
        assert error.endswith("asks for Session, which is made for each attempt that asks for it by a parameter: "
                              "`x: Session = injected`.")  # fmt: skip
    assert sessions.made == []


def test_it_is_a_mapping_of_what_is_shared() -> None:
    resources = Resources({First: First(), Session: PerAttempt(Session)})
    assert (list(resources), len(resources), list(resources.per_attempt)) == ([First], 1, [Session])
