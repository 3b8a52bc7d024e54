"""What becomes of a job, by how its handler ends: through the runner, on a fake clock."""

from __future__ import annotations

import asyncio
import contextvars
import os
import signal
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, NoReturn

import pytest

from aiojobs_lite import (
    Abandon,
    Backoff,
    Cancel,
    JobCancelled,
    JobContext,
    JobDead,
    JobRunner,
    Outcome,
    Retry,
    Snooze,
    Status,
    injected,
    job,
)
from aiojobs_lite.errors import JobNotAllowed, MissingDependency, ResultNotKept
from aiojobs_lite.model.ends import Close
from aiojobs_lite.model.job import Held
from aiojobs_lite.telemetry.facts import AttemptFailed, AttemptStarted, AttemptStuck, EndRefused, JobHeld
from aiojobs_lite.testing.clock import FakeClock
from aiojobs_lite.testing.probe import stopping_of
from tests.helpers.calls import Classless
from tests.helpers.engine import engine_of
from tests.helpers.rings import first_of, slow
from tests.helpers.waiting import PATIENCE, next_fact

BACKOFF = Backoff(base="10s", cap="1h")


@asynccontextmanager
async def started(clock: FakeClock, *handlers: Any, **options: Any) -> AsyncIterator[JobRunner]:
    runner = JobRunner(":memory:", jobs=handlers, clock=clock, **options)
    async with asyncio.timeout(PATIENCE), runner:
        yield runner


async def test_a_failed_attempt_is_tried_again_after_the_backoff(clock: FakeClock) -> None:
    attempts: list[int] = []

    @job(backoff=BACKOFF, max_attempts=3)
    async def flaky(ctx: JobContext = injected) -> str:
        attempts.append(ctx.attempt)
        if not ctx.is_last_attempt:
            raise ValueError("not yet")
        return "done"

    async with started(clock, flaky) as runner:
        handle = await runner.enqueue(flaky)
        await runner.run_until_idle()
        waiting = await handle.job()
        assert (waiting.status, waiting.attempts, attempts) == (Status.PENDING, 1, [1])
        assert 5 <= (waiting.scheduled_at - clock.time).total_seconds() <= 10
        assert runner.stats().retrying == 1
        clock.advance(4.9)
        await runner.run_until_idle()
        assert attempts == [1]
        clock.advance(5.1)
        await runner.run_until_idle()
        clock.advance("20s")
        await runner.run_until_idle()
        assert attempts == [1, 2, 3]
        assert await handle.result() == "done"
        history = (await handle.job()).history
        assert [(one.attempt, one.outcome, one.error_type, one.message) for one in history] == [
            (1, Outcome.FAILED, "ValueError", "not yet"),
            (2, Outcome.FAILED, "ValueError", "not yet"),
        ]
        assert 'raise ValueError("not yet")' in (history[0].traceback or "")
        assert "executor.py" not in (history[0].traceback or "")


async def test_the_last_attempt_leaves_the_job_dead_and_redrive_gives_it_all_attempts_back(clock: FakeClock) -> None:
    broken = True

    @job(backoff=BACKOFF, max_attempts=2)
    def report() -> str:
        if broken:
            raise OSError("disk")
        return "report"

    async with started(clock, report) as runner:
        handle = await runner.enqueue(report)
        await runner.run_until_idle()
        clock.advance("1m")
        with pytest.raises(JobDead, match="all 2 attempts used up; last error: OSError: disk") as caught:
            await handle.result()
        assert caught.value.error == "OSError: disk"
        broken = False
        await runner.jobs.redrive(handle.id)
        assert await handle.result() == "report"
        assert (await handle.job()).attempts == 1


@pytest.mark.parametrize(
    ("error", "outcome", "status", "attempts", "delay"),
    [
        (Retry("busy", after="7s"), Outcome.FAILED, Status.PENDING, 1, 7.0),
        (Snooze("10m", "later"), Outcome.SNOOZED, Status.PENDING, 0, 600.0),
        (Abandon("bad input"), Outcome.FAILED, Status.DEAD, 1, None),
        (Cancel("gone"), Outcome.CANCELLED, Status.CANCELLED, 1, None),
    ],
)
async def test_a_handler_says_what_becomes_of_its_job(
    clock: FakeClock, error: Exception, outcome: Outcome, status: Status, attempts: int, delay: float | None
) -> None:
    @job
    async def asks() -> None:
        raise error

    async with started(clock, asks) as runner:
        handle = await runner.enqueue(asks)
        await runner.run_until_idle()
        found = await handle.job()
        assert (found.status, found.attempts, found.history[0].outcome) == (status, attempts, outcome)
        if delay is not None:
            assert (found.scheduled_at - clock.time).total_seconds() == delay
        else:
            assert str(error) in f"{found.reason} {found.error}"


async def test_only_the_exceptions_of_retry_on_are_tried_again(clock: FakeClock) -> None:
    @job(retry_on=(OSError,), abandon_on=FileNotFoundError)
    async def picky(kind: str) -> None:
        raise {"os": OSError, "missing": FileNotFoundError, "value": ValueError}[kind]

    async with started(clock, picky) as runner:
        handles = {kind: await runner.enqueue(picky, kind=kind) for kind in ("os", "missing", "value")}
        await runner.run_until_idle()
        found = {kind: (await handle.job()).status for kind, handle in handles.items()}
        assert found == {"os": Status.PENDING, "missing": Status.DEAD, "value": Status.DEAD}


class Hostile(Exception):
    def __str__(self) -> NoReturn:
        raise RuntimeError("no text")


def recurse() -> None:
    recurse()


def raiser(error: BaseException) -> Callable[[], None]:
    def call() -> None:
        raise error

    return call


class Unprintable:
    def __repr__(self) -> str:
        raise KeyboardInterrupt


class Stopped(StopIteration):
    pass


HOSTILE: dict[str, Callable[[], None]] = {
    "SystemExit": raiser(SystemExit(3)),
    "KeyboardInterrupt": raiser(KeyboardInterrupt()),
    "GeneratorExit": raiser(GeneratorExit()),
    "CancelledError": raiser(asyncio.CancelledError()),
    "BaseExceptionGroup": raiser(BaseExceptionGroup("many", [SystemExit(), ValueError()])),
    "MemoryError": raiser(MemoryError()),
    "StopIteration": raiser(StopIteration(1)),
    "StopIteration with what cannot be shown": raiser(StopIteration(Unprintable())),
    "Stopped": raiser(Stopped(Unprintable())),
    "Classless": raiser(Classless()),
    "StopAsyncIteration": raiser(StopAsyncIteration()),
    "Hostile": raiser(Hostile()),
    "ValueError": raiser(ValueError("\ud800 \x00")),
    "RecursionError": recurse,
}


@pytest.mark.parametrize("kind", first_of(7, HOSTILE))
@pytest.mark.parametrize("mode", ["async", "thread"])
async def test_no_exception_reaches_the_host(clock: FakeClock, kind: str, mode: str) -> None:
    @job(max_attempts=1)
    async def on_the_loop() -> None:
        HOSTILE[kind]()

    @job(max_attempts=1)
    def in_a_thread() -> None:
        HOSTILE[kind]()

    handler = on_the_loop if mode == "async" else in_a_thread
    async with started(clock, on_the_loop, in_a_thread) as runner:
        handle = await runner.enqueue_named(handler.name)
        with pytest.raises(JobDead):
            await handle.result()
        record = (await handle.job()).history[0]
        # A coroutine turns StopIteration into RuntimeError.
        assert record.error_type == ("RuntimeError" if kind.startswith("Stop") and "Async" not in kind else kind)
        assert record.outcome is Outcome.FAILED
        assert await runner.jobs.list(status="dead") == [await handle.job()]  # the runner goes on


async def test_a_timeout_cancels_the_handler_and_counts_as_an_attempt(clock: FakeClock) -> None:
    entered = asyncio.Event()

    @job(timeout="30s", max_attempts=2, backoff=BACKOFF)
    async def slow() -> None:
        entered.set()
        await asyncio.Event().wait()

    async with started(clock, slow) as runner:
        events = runner.watch()
        handle = await runner.enqueue(slow)
        await entered.wait()
        clock.advance("29s")
        assert (await handle.job()).status is Status.PROCESSING
        clock.advance("1s")
        failed = await next_fact(events, AttemptFailed)
        assert (failed.outcome, failed.attempt) == ("timed_out", 1)
        record = (await handle.job()).history[0]
        assert record.outcome is Outcome.TIMED_OUT
        assert (record.error_type, record.message) == ("TimeoutError", 'no end after 30 s (timeout="30s")')
        assert "await asyncio.Event().wait()" in (record.traceback or "")


async def test_a_handler_that_swallows_its_timeout_is_reported_and_keeps_its_slot(clock: FakeClock) -> None:
    entered, release = asyncio.Event(), asyncio.Event()

    @job(timeout="30s", max_attempts=1, concurrency=1)
    async def stubborn() -> str:
        entered.set()
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue
        return "too late"

    async with started(clock, stubborn, cancel_grace="5s") as runner:
        events = runner.watch()
        first, second = await runner.enqueue(stubborn), await runner.enqueue(stubborn)
        await entered.wait()
        clock.advance("30s")
        clock.advance("5s")
        stuck = await next_fact(events, AttemptStuck)
        assert (stuck.job_id, stuck.why) == (first.id, "timeout")
        assert "await release.wait()" in stuck.stack
        assert runner.stats().stuck == 1
        assert (await second.job()).status is Status.PENDING  # the slot is still taken
        release.set()
        with pytest.raises(JobDead, match="last error: TimeoutError: no end after 30 s"):
            await first.result()
        assert await second.result() == "too late"
        assert runner.stats().stuck == 0


async def test_a_processing_job_is_cancelled_and_a_pending_one_never_starts(clock: FakeClock) -> None:
    entered = asyncio.Event()
    cleaned: list[bool] = []

    @job(concurrency=1)
    async def waits() -> None:
        entered.set()
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append(True)

    @job
    async def quick() -> None: ...

    async with started(clock, waits, quick) as runner:
        first, second = await runner.enqueue(waits), await runner.enqueue(waits)
        await entered.wait()
        assert await second.cancel("not needed") is Status.CANCELLED
        assert await first.cancel() is Status.PROCESSING
        with pytest.raises(JobCancelled, match="cancel requested"):
            await first.result()
        entered.clear()
        third = await runner.enqueue(waits)
        await entered.wait()
        assert await third.cancel("too late") is Status.PROCESSING
        with pytest.raises(JobCancelled, match="too late"):
            await third.result()
        assert (await third.job()).reason == "too late"
        with pytest.raises(JobCancelled, match="not needed"):
            await second.result()
        assert cleaned == [True, True]
        assert (await second.job()).attempts == 0
        done = await runner.enqueue(quick)
        await done.result()
        with pytest.raises(
            JobNotAllowed, match="completed and cannot be cancelled: that takes a pending or processing"
        ):
            await done.cancel()


async def test_a_cancelled_job_that_fails_instead_is_not_tried_again(clock: FakeClock) -> None:
    entered = asyncio.Event()

    @job
    async def fails_when_cancelled() -> None:
        entered.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            raise ValueError("clumsy") from None

    async with started(clock, fails_when_cancelled) as runner:
        handle = await runner.enqueue(fails_when_cancelled)
        await entered.wait()
        await handle.cancel()
        with pytest.raises(JobCancelled):
            await handle.result()


async def test_a_thread_sees_that_it_should_stop(clock: FakeClock) -> None:
    entered = threading.Event()
    host = asyncio.get_running_loop()
    seen = asyncio.Event()

    @job(max_attempts=1)
    def patient(ctx: JobContext = injected) -> None:
        entered.set()
        host.call_soon_threadsafe(seen.set)
        stopping_of(ctx).wait(PATIENCE)
        assert ctx.stopping
        raise RuntimeError("stopped in the middle")

    async with started(clock, patient) as runner:
        handle = await runner.enqueue(patient)
        await seen.wait()
        await handle.cancel()
        with pytest.raises(JobCancelled):
            await handle.result()


async def test_what_a_thread_returns_counts_as_done_though_it_was_asked_to_stop(clock: FakeClock) -> None:
    host = asyncio.get_running_loop()
    seen, release = asyncio.Event(), threading.Event()

    @job(timeout="1s")
    def finishes() -> str:
        host.call_soon_threadsafe(seen.set)
        release.wait(PATIENCE)
        return "all of it"

    async with started(clock, finishes) as runner:
        handle = await runner.enqueue(finishes)
        await seen.wait()
        clock.advance("2s")
        release.set()
        assert await handle.result() == "all of it"


def square(n: int) -> int:
    if n < 0:
        raise ValueError(f"negative: {n}")
    return n * n


def suicide() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def whose_process() -> int:
    return os.getpid()


@slow
async def test_a_process_returns_results_and_errors_and_may_die(clock: FakeClock) -> None:
    squares = job(process=True, max_attempts=1)(square)
    killed = job(process=True, max_attempts=1)(suicide)
    pid = job(process=True)(whose_process)
    async with started(clock, squares, killed, pid) as runner:
        assert await (await runner.enqueue(squares, 12)).result() == 144
        assert await (await runner.enqueue(pid)).result() != os.getpid()
        with pytest.raises(JobDead, match="ValueError: negative: -1"):
            await (await runner.enqueue(squares, -1)).result()
        with pytest.raises(JobDead, match="BrokenWorkerProcess"):
            await (await runner.enqueue(killed)).result()
        assert await (await runner.enqueue(squares, 3)).result() == 9


class Smtp:
    def __init__(self) -> None:
        self.sent: list[str] = []


async def test_injected_parameters_are_filled_from_deps(clock: FakeClock) -> None:
    @job
    async def send(to: str, *, ctx: JobContext = injected, smtp: Smtp = injected) -> bool:
        smtp.sent.append(to)
        return ctx.get(Smtp) is smtp

    smtp = Smtp()
    async with started(clock, send, deps={Smtp: smtp}) as runner:
        assert await (await runner.enqueue(send, to="a@example.org")).result() is True
        assert smtp.sent == ["a@example.org"]
    with pytest.raises(MissingDependency, match=r"'send' asks for Smtp, which deps= lacks"):
        await JobRunner(":memory:", jobs=[send]).__aenter__()


async def test_context_variables_stay_on_their_side(clock: FakeClock) -> None:
    user: contextvars.ContextVar[str] = contextvars.ContextVar("user", default="unknown")

    @job
    async def on_the_loop() -> str:
        found = user.get()
        user.set("the job")
        return found

    @job
    def in_a_thread() -> str:
        return user.get()

    user.set("the request")
    async with started(clock, on_the_loop, in_a_thread) as runner:
        assert await (await runner.enqueue(on_the_loop)).result() == "unknown"
        assert await (await runner.enqueue(in_a_thread)).result() == "unknown"
    assert user.get() == "the request"


async def test_a_result_that_is_no_json_completes_the_job_and_is_not_kept(clock: FakeClock) -> None:
    @job
    async def odd() -> Any:
        return object()

    @job(keep_result=False)
    async def silent() -> int:
        return 1

    async with started(clock, odd, silent) as runner:
        handle = await runner.enqueue(odd)
        with pytest.raises(ResultNotKept, match="its result was not kept: this object"):
            await handle.result()
        assert (await handle.job()).status is Status.COMPLETED
        with pytest.raises(ResultNotKept, match="keep_result=False") as caught:
            await (await runner.enqueue(silent)).result()
        assert str(caught.value) == (
            "job 2 completed, but its result was not kept: 'silent' is declared with keep_result=False. "
            "Do not await it by result(), or declare it with keep_result=True."
        )


async def test_a_payload_that_no_longer_fits_is_held_until_the_handler_is_fixed(database: Any) -> None:
    @job(name="greet")
    async def old(name: str) -> str:
        return name

    @job(name="greet")
    async def new(name: str, age: int) -> str:
        return f"{name} {age}"

    @job(name="greet")
    async def fixed(name: str, age: int = 3) -> str:
        return f"{name} {age}"

    async with JobRunner(database, jobs=[old], max_running=0) as runner:
        await runner.enqueue(old, name="zoe")
    async with JobRunner(database, jobs=[new]) as runner:
        events = runner.watch()
        await runner.run_until_idle()
        held = await runner.jobs.get(1)
        assert (held.status, held.held, held.attempts) == (Status.PENDING, Held.PAYLOAD, 0)
        assert "age: Field required" in (held.reason or "")
        assert "zoe" not in (held.reason or "")
    assert (await next_fact(events, JobHeld)).job_id == 1
    async with JobRunner(database, jobs=[fixed]) as runner:
        await runner.run_until_idle()
        assert (await runner.jobs.get(1)).result_json == '"zoe 3"'


async def test_a_handler_may_enqueue_and_wait_for_other_jobs(clock: FakeClock) -> None:
    runner = JobRunner(":memory:", clock=clock)

    @runner.job
    async def child(n: int) -> int:
        return n * 2

    @runner.job
    async def parent() -> int:
        handles = await runner.enqueue_many([child.bind(n) for n in (1, 2, 3)])
        return sum([await handle.result() for handle in handles])

    async with runner:
        assert await (await runner.enqueue(parent)).result() == 12


async def test_never_more_than_the_limit_run_at_once(clock: FakeClock) -> None:
    running = most = 0
    gates: list[asyncio.Event] = []

    @job(concurrency=3)
    async def limited() -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        gate = asyncio.Event()
        gates.append(gate)
        await gate.wait()
        running -= 1

    async with started(clock, limited, max_running=10) as runner:
        events = runner.watch()
        await runner.enqueue_many([limited.bind() for _ in range(12)])
        for done in range(12):
            while len(gates) <= done:
                await next_fact(events, AttemptStarted)
            assert runner.stats().by_type["limited"].processing <= 3
            gates[done].set()
        await runner.run_until_idle()
        assert (most, running, runner.stats().completed) == (3, 0, 12)


async def test_priorities_then_time_then_id_decide_the_order(clock: FakeClock) -> None:
    order: list[str] = []

    @job
    async def note(name: str) -> None:
        order.append(name)

    async with started(clock, note, max_running=1) as runner:
        await runner.types.pause(note)
        await runner.enqueue_many(
            [
                note.using(priority="low").bind("low"),
                note.using(delay="2s").bind("later"),
                note.bind("first"),
                note.bind("second"),
                note.using(priority="high", delay="1s").bind("high"),
            ]
        )
        clock.advance("3s")
        await runner.types.resume(note)
        await runner.run_until_idle()
        assert order == ["high", "first", "second", "later", "low"]


async def test_the_end_of_an_attempt_that_was_taken_away_is_refused_after_a_redrive_to_the_same_runner(
    clock: FakeClock,
) -> None:
    """The later attempt has the number and the owner of the one before."""
    gates = [asyncio.Event(), asyncio.Event()]
    calls = iter(range(2))

    @job(max_attempts=1)
    async def gated(ctx: JobContext = injected) -> int:
        call = next(calls)
        await gates[call].wait()
        return call

    async with started(clock, gated) as runner:
        handle, facts = await runner.enqueue(gated), runner.watch()
        await next_fact(facts, AttemptStarted)
        owner = (await handle.job()).owner
        assert owner is not None
        await engine_of(runner).write(Close(handle.id, 1, owner, "gated", Outcome.LOST, Status.DEAD, "crashed"))
        await runner.jobs.redrive(handle.id)
        await next_fact(facts, AttemptStarted)
        assert ((await handle.job()).owner, (await handle.job()).attempts) == (owner, 1)
        gates[0].set()
        await next_fact(facts, EndRefused)
        assert (await handle.job()).status is Status.PROCESSING
        gates[1].set()
        assert await handle.result() == 1
        assert runner.stats().refused_ends == 1
