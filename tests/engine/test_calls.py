"""Plain `def` handlers: in threads and in other processes, and what comes back from there."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, NoReturn

import pytest

from aiojobs_lite import (
    Abandon,
    Cancel,
    JobCancelled,
    JobContext,
    JobDead,
    JobRunner,
    Outcome,
    Retry,
    Snooze,
    injected,
    job,
)
from aiojobs_lite.engine import child
from aiojobs_lite.engine.calls import call_in_thread
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.handlers.location import Location
from aiojobs_lite.model.job import Status
from aiojobs_lite.policy.settle import Policy
from aiojobs_lite.policy.verdict import Wish
from aiojobs_lite.telemetry.facts import AttemptFailed, JobSnoozed
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.calls import Classless, hangs, in_process, outside, pid_in, started
from tests.helpers.engine import claimed
from tests.helpers.programs import alive
from tests.helpers.rings import slow
from tests.helpers.root import ROOT
from tests.helpers.waiting import PATIENCE, next_fact, quiet, until

CANCELLED = "asyncio.exceptions.CancelledError: aiojobs_lite: cancel"

# Handlers for other processes, which find them here by name.


def double(n: int) -> int:
    return 2 * n


def add(a: int, b: int = 10, *, ctx: JobContext = injected) -> dict[str, int]:
    return {"sum": a + b, "attempt": ctx.attempt, "id": ctx.id}


def nothing() -> None: ...


@job(process=True, max_attempts=1)
def declared_where_it_stands(text: str) -> str:
    return text.upper()


class Box:
    class Inner:
        @staticmethod
        def deep(n: int) -> int:
            return n + 1


SIGNALS: dict[str, Exception] = {
    "retry": Retry("busy", after=7),
    "snooze": Snooze("10m", "later"),
    "abandon": Abandon("bad input"),
    "cancel": Cancel("gone"),
}


def raises(what: str) -> None:
    raise SIGNALS[what]


def returns(what: str) -> object:
    return SIGNALS[what]


def exits() -> None:
    sys.exit(3)


class Awkward(Exception):
    """Cannot be made again from its arguments."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__(f"{a} and {b}")


def raises_what_does_not_travel() -> None:
    raise Awkward(1, 2)


def raises_what_cannot_be_looked_at() -> None:
    raise Classless


def is_signalled() -> int:
    for number in (signal.SIGINT, signal.SIGTERM):
        os.kill(os.getpid(), number)
    return os.getpid()


def speaks_on_every_descriptor() -> str:
    for descriptor in (1, 2):
        os.write(descriptor, b"RETURN 3\nabc")  # as an answer to the other side would begin
    subprocess.run([sys.executable, "-c", "import sys; print('RETURN 1'); sys.stdin.read()"], check=True)
    return os.read(0, 100).decode()


async def _asynchronous() -> int:
    return 1


def forgets_to_await() -> Any:
    return _asynchronous()


# Another process.


async def test_results_come_back_from_another_process(clock: FakeClock) -> None:
    types = in_process(double), in_process(add), in_process(nothing), in_process(Box.Inner.deep)
    async with started(clock, *types, declared_where_it_stands) as runner:
        assert await (await runner.enqueue(types[0], 21)).result() == 42
        handle = await runner.enqueue(types[1], a=1)
        assert await handle.result() == {"sum": 11, "attempt": 1, "id": handle.id}
        assert await (await runner.enqueue(types[2])).result() is None
        assert await (await runner.enqueue(types[3], 1)).result() == 2
        assert await (await runner.enqueue(declared_where_it_stands, "loud")).result() == "LOUD"


@slow
async def test_a_handler_in_another_process_says_what_becomes_of_its_job(clock: FakeClock) -> None:
    asks = in_process(raises)
    async with started(clock, asks) as runner:
        events = runner.watch()
        retried = await runner.enqueue(asks, "retry")
        assert (await next_fact(events, AttemptFailed)).next_at - clock.time == timedelta(seconds=7)
        assert (await retried.job()).attempts == 1
        snoozed = await runner.enqueue(asks, "snooze")
        assert (await next_fact(events, JobSnoozed)).next_at - clock.time == timedelta(minutes=10)
        assert (await snoozed.job()).attempts == 0
        with pytest.raises(JobDead, match="bad input"):
            await (await runner.enqueue(asks, "abandon")).result()
        with pytest.raises(JobCancelled, match="gone"):
            await (await runner.enqueue(asks, "cancel")).result()


@slow
async def test_no_end_of_a_handler_in_another_process_spoils_the_next(clock: FakeClock) -> None:
    doubles = in_process(double)
    odd = [in_process(handler, max_attempts=1) for handler in (raises_what_does_not_travel, forgets_to_await)]
    async with started(clock, doubles, *odd) as runner:
        for job_type, text in zip(odd, ("Awkward: 1 and 2", "returned a coroutine"), strict=True):
            with pytest.raises(JobDead, match=text):
                await (await runner.enqueue(job_type)).result()
            assert await (await runner.enqueue(doubles, 4)).result() == 8


@slow
async def test_a_signal_to_the_whole_group_does_not_end_the_other_process(clock: FakeClock) -> None:
    """It means the parent, which drains."""
    signalled = in_process(is_signalled, max_attempts=1)
    async with started(clock, signalled) as runner:
        pids = {await (await runner.enqueue(signalled)).result() for _ in range(2)}
        assert len(pids) == 1


@slow
async def test_what_a_handler_writes_or_reads_is_not_taken_for_answers_and_orders(clock: FakeClock) -> None:
    speaks, doubles = in_process(speaks_on_every_descriptor, max_attempts=1), in_process(double)
    async with started(clock, speaks, doubles) as runner:
        assert await (await runner.enqueue(speaks)).result() == ""  # nothing to read there
        assert await (await runner.enqueue(doubles, 8)).result() == 16


@slow
async def test_an_exit_in_another_process_is_a_failure_like_any_other(clock: FakeClock) -> None:
    exiting = in_process(exits, max_attempts=1)
    async with started(clock, exiting) as runner:
        with pytest.raises(JobDead, match="SystemExit: 3"):
            await (await runner.enqueue(exiting)).result()


@slow
@pytest.mark.parametrize("why", ["cancel", "timeout"])
async def test_stopping_kills_the_other_process(clock: FakeClock, tmp_path: Path, why: str) -> None:
    hanging = in_process(hangs, timeout="30s" if why == "timeout" else None, max_attempts=1)
    doubles = in_process(double)
    async with started(clock, hanging, doubles) as runner:
        note = tmp_path / "pid"
        handle = await runner.enqueue(hanging, str(note))
        pid = await pid_in(note)
        os.kill(pid, 0)
        if why == "cancel":
            await handle.cancel()
        else:
            clock.advance("30s")
        with pytest.raises((JobCancelled, JobDead)):
            await handle.result()
        record = (await handle.job()).history[0]
        assert record.outcome is (Outcome.CANCELLED if why == "cancel" else Outcome.TIMED_OUT)
        late = [
            'TimeoutError: no end after 30 s (timeout="30s")',
            "Its worker process was killed, the stack of the handler with it. ctx.log(...) shows how far it comes.",
        ]  # and none of the lines that waited for that process
        assert (record.traceback or "").splitlines() == (late if why == "timeout" else [CANCELLED])
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)
        assert await (await runner.enqueue(doubles, 5)).result() == 10


@slow
async def test_the_drain_kills_the_other_process_and_gives_the_attempt_back(database: Path, tmp_path: Path) -> None:
    hanging, note = in_process(hangs), tmp_path / "pid"
    runner = JobRunner(database, jobs=[hanging], drain_timeout=0)
    async with runner:
        handle = await runner.enqueue(hanging, str(note))
        pid = await pid_in(note)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    async with JobRunner(database, jobs=[hanging], max_running=0) as looking:
        found = await looking.jobs.get(handle.id)
        assert (found.status, found.attempts, found.interruptions) == (Status.PENDING, 0, 1)


# The same, as the other process sees it.


def answer_of(name: str, payload: str = "{}") -> child.CallAnswer:
    declared = child.Declaration("any", Location(__name__, name), True, None, ())
    return child.call_handler(declared, claimed(7, "any", payload))


def called(handler: Callable[..., Any] | str, payload: str) -> str | None:
    name = handler if isinstance(handler, str) else handler.__qualname__
    answer = answer_of(name, payload)
    assert answer.failure is None
    return answer.result


class Ended(BaseException):
    """In place of the end of this process."""


def left_unread(ours: socket.socket, theirs: socket.socket) -> None:
    """An answer that the runner has not read."""
    theirs.sendall(b"an answer")
    ours.close()


def sends_half_an_order(ours: socket.socket, theirs: socket.socket) -> None:
    order = pickle.dumps((double, (1,) * 1000))
    ours.sendall(order[: len(order) // 2])
    ours.close()


def takes_no_answer(ours: socket.socket, theirs: socket.socket) -> None:
    ours.sendall(pickle.dumps((nothing, ())))
    ours.close()


@pytest.mark.parametrize("dies", [left_unread, sends_half_an_order, takes_no_answer])
def test_a_worker_process_whose_runner_was_killed_ends_without_a_word(
    dies: Callable[[socket.socket, socket.socket], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(code: int) -> NoReturn:
        raise Ended(code)

    ours, theirs = socket.socketpair()
    dies(ours, theirs)
    with theirs, monkeypatch.context() as patch:
        patch.setattr(os, "_exit", end)
        with pytest.raises(Ended, match=r"^0$"):
            child.serve(theirs)


def test_the_handler_is_found_by_name_and_fed_from_the_stored_json() -> None:
    assert called(double, '{"n": 3}') == "6"
    assert called(add, '{"a": 1, "b": 2}') == '{"sum":3,"attempt":1,"id":7}'
    assert called(nothing, "{}") is None
    assert called("declared_where_it_stands", '{"text": "a"}') == '"A"'  # there the name leads to the job type
    assert called(Box.Inner.deep, '{"n": 3}') == "4"
    answer = answer_of("forgets_to_await")
    assert answer.failure is not None
    assert answer.failure.message.startswith("the function returned a coroutine that nothing awaits")


@pytest.mark.parametrize("what", SIGNALS)
def test_what_a_handler_asks_for_comes_back_as_it_was_raised(what: str) -> None:
    answer = answer_of("raises", f'{{"what": "{what}"}}')
    ended = answer.ending()
    assert ended.verdict == Policy().judge(SIGNALS[what])
    assert ended.verdict is not None
    assert ended.verdict.wish == what
    assert ended.failure is not None
    assert "in raises" in (ended.failure.traceback or "")  # the lines of the other process


def test_a_signal_that_is_returned_is_a_failure() -> None:
    answer = answer_of("returns", '{"what": "cancel"}')
    assert answer.failure is not None
    assert answer.failure.message.startswith("the function returned Cancel, which decides nothing")


def test_an_exception_that_cannot_be_looked_at_is_a_failure_like_any_other() -> None:
    answer = answer_of("raises_what_cannot_be_looked_at")
    assert answer.failure is not None
    assert (answer.failure.error_type, answer.verdict.wish) == ("Classless", Wish.AGAIN)


# Threads.


class Run:
    thread: Any = None
    thread_id: int | None = None


async def test_a_function_runs_in_a_thread_of_its_own_that_keeps_no_process_alive() -> None:
    run, seen = Run(), []

    def look(a: int, *, b: int) -> int:
        seen.append((run.thread_id == threading.get_ident(), threading.current_thread().daemon))
        return a + b

    assert await call_in_thread(look, [1], {"b": 2}, run) == 3
    assert seen == [(True, True)]
    assert run.thread_id is None


async def test_a_thread_whose_caller_went_away_ends_in_silence() -> None:
    release, entered = threading.Event(), threading.Event()
    loop, failures, threads = asyncio.get_running_loop(), list[Any](), list[threading.Thread]()
    loop.set_exception_handler(lambda _loop, context: failures.append(context))

    def slow() -> None:
        threads.append(threading.current_thread())
        entered.set()
        release.wait(PATIENCE)

    task = loop.create_task(call_in_thread(slow, [], {}, Run()))
    await until(entered.is_set)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    release.set()
    await until(lambda: not threads[0].is_alive())
    await quiet()  # what it had called back has been called
    assert failures == []


def test_a_thread_that_outlives_the_event_loop_ends_in_silence() -> None:
    release, entered = threading.Event(), threading.Event()
    threads: list[threading.Thread] = []

    def slow() -> int:
        threads.append(threading.current_thread())
        entered.set()
        release.wait(PATIENCE)
        return 1

    async def main() -> None:
        task = asyncio.get_running_loop().create_task(call_in_thread(slow, [], {}, Run()))
        await until(entered.is_set)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    failures: list[Any] = []
    threading.excepthook, found = failures.append, threading.excepthook
    try:
        asyncio.run(main())
        release.set()
        threads[0].join(PATIENCE)
    finally:
        threading.excepthook = found
    assert failures == []


async def test_a_coroutine_that_nothing_awaits_is_no_success(clock: FakeClock) -> None:
    hidden: JobType[..., Any] = JobType(forgets_to_await, max_attempts=1)
    async with started(clock, hidden) as runner:
        with pytest.raises(JobDead, match="make the decorator's function an `async def` too"):
            await (await runner.enqueue(hidden)).result()


@pytest.mark.parametrize("made", [*SIGNALS.values(), Cancel], ids=lambda one: type(one).__name__)
async def test_a_signal_that_is_returned_is_no_success(clock: FakeClock, made: object) -> None:
    async def returns() -> object:
        return made

    def returns_in_thread() -> object:
        return made

    types = [JobType[..., Any](one, max_attempts=1, keep_result=False) for one in (returns, returns_in_thread)]
    async with started(clock, *types) as runner:
        for job_type in types:
            with pytest.raises(JobDead, match=r"which decides nothing\. Raise it, do not return it"):
                await (await runner.enqueue(job_type)).result()


@slow
async def test_a_worker_process_does_not_outlive_a_killed_parent(tmp_path: Path) -> None:
    """Else the job that it runs would run twice at once after the rescue."""
    note = tmp_path / "pid"
    script = f"""if True:
        import asyncio
        from aiojobs_lite import JobRunner
        from aiojobs_lite.handlers.job_type import JobType
        from tests.helpers.calls import Classless, hangs
        async def main():
            hanging = JobType(hangs, process=True)
            async with JobRunner({str(tmp_path / "jobs.db")!r}, jobs=[hanging]) as runner:
                await (await runner.enqueue(hanging, {str(note)!r})).result()
        asyncio.run(main())
    """
    parent = await asyncio.create_subprocess_exec(sys.executable, "-c", script, cwd=ROOT)
    try:
        pid = await pid_in(note)
        parent.send_signal(signal.SIGKILL)
        await parent.wait()
        await outside(lambda: not alive(pid))
        assert parent.returncode == -signal.SIGKILL
    finally:
        if parent.returncode is None:
            parent.kill()
            await parent.wait()
