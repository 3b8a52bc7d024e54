"""Bad neighbours: handlers that raise what none should, leak, block the event loop, or end their process."""

from __future__ import annotations

import asyncio
import contextvars
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import anyio
import pytest

from aiojobs_lite import JobDead, JobRunner, Outcome, Status
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.telemetry.bus import Watch
from aiojobs_lite.telemetry.facts import AttemptFailed, AttemptStarted, Fact, JobBecameDead, LoopBlocked
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.apps.dying import WAYS, dies
from tests.helpers.apps.worker import held, quick
from tests.helpers.hosts import nothing_reaches_the_host
from tests.helpers.pauses import hold_thread_for, let_fault_last
from tests.helpers.programs import looking, program, worker
from tests.helpers.rings import first_of, slow
from tests.helpers.waiting import PATIENCE, next_fact

# Seconds that a handler blocks its event loop in another process. 30 were tried; longer than every pause between two
# looks at who is alive is enough.
BLOCKED = float(os.environ.get("AIOJOBS_LITE_BLOCKED_SECONDS", "4.5"))
MODES = pytest.mark.parametrize("mode", first_of(2, ["async", "process", "thread"]))

# What they raise.


class Mute(Exception):
    def __init__(self, fault: BaseException) -> None:
        self.fault = fault

    def __str__(self) -> str:
        raise self.fault


class Odd(BaseException):
    """Neither an exit nor an interrupt, and no Exception."""


class Slippery(str):
    __slots__ = ()

    def __getitem__(self, _where: object) -> str:
        raise KeyboardInterrupt


class Shifty(Exception):
    def __str__(self) -> str:
        return Slippery("a text that cannot be cut")


class _NamelessType(type):
    def __getattribute__(cls, name: str) -> Any:
        if name in {"__name__", "__qualname__"}:
            raise SystemExit(5)
        return super().__getattribute__(name)


class Nameless(Exception, metaclass=_NamelessType):
    pass


def recurses() -> None:
    recurses()


def takes_all_memory() -> None:
    bytearray(sys.maxsize)


def raiser(error: BaseException) -> Callable[[], None]:
    def raises_it() -> None:
        raise error

    return raises_it


class Case(NamedTuple):
    """What a handler does, and what is to be recorded of it: the type, and how the text begins."""

    does: Callable[[], object]
    error_type: str
    message: str


CASES = {
    "exit": Case(raiser(SystemExit(3)), "SystemExit", "3"),
    "interrupt": Case(raiser(KeyboardInterrupt("ctrl-c")), "KeyboardInterrupt", "ctrl-c"),
    "generator exit": Case(raiser(GeneratorExit("over")), "GeneratorExit", "over"),
    "cancelled": Case(raiser(asyncio.CancelledError("not by us")), "CancelledError", "not by us"),
    "odd": Case(raiser(Odd("one of a kind")), "Odd", "one of a kind"),
    "group": Case(raiser(ExceptionGroup("g", [ValueError(), OSError()])), "ExceptionGroup", "g (2 sub-exceptions)"),
    "base group": Case(
        raiser(BaseExceptionGroup("g", [SystemExit(), ExceptionGroup("h", [ValueError()])])),
        "BaseExceptionGroup", "g (2 sub-exceptions)",
    ),
    "mute": Case(raiser(Mute(ValueError())), "Mute", "(its __str__ raised ValueError)"),
    "mute, and exits": Case(raiser(Mute(SystemExit(4))), "Mute", "(its __str__ raised SystemExit)"),
    "shifty": Case(raiser(Shifty()), "Shifty", "a text that cannot be cut"),
    "nameless": Case(raiser(Nameless("x")), "Nameless", "x"),
    "memory": Case(takes_all_memory, "MemoryError", ""),
    "recursion": Case(recurses, "RecursionError", "maximum recursion depth exceeded"),
    "timeout": Case(raiser(TimeoutError("its own")), "TimeoutError", "its own"),
}  # fmt: skip


async def raises(case: str) -> None:
    CASES[case].does()


def raises_apart(case: str) -> None:
    CASES[case].does()


async def idles() -> str:
    return "ran"


def declared(
    mode: str, on_the_loop: Callable[..., Any], apart: Callable[..., Any], **options: Any
) -> JobType[..., Any]:
    """A job type of one of the modes."""
    return JobType(on_the_loop if mode == "async" else apart, name="odd", process=mode == "process", **options)


async def all_of(events: Watch, kind: type[Fact], count: int) -> None:
    """Waits for so many events of a kind."""
    for _ in range(count):
        await next_fact(events, kind)


@MODES
async def test_whatever_a_handler_raises_is_recorded_and_tried_again_and_in_the_end_its_job_is_dead(mode: str) -> None:
    odd, clock = declared(mode, raises, raises_apart, max_attempts=2), FakeClock()
    beside: JobType[[], str] = JobType(idles)
    with nothing_reaches_the_host():
        async with asyncio.timeout(3 * PATIENCE), JobRunner(":memory:", jobs=[odd, beside], clock=clock) as runner:
            events = runner.watch()
            handles = {case: await runner.enqueue(odd, case) for case in CASES}
            await all_of(events, AttemptFailed, len(CASES))
            assert await (await runner.enqueue(beside)).result() == "ran"
            assert (runner.stats().running, runner.stats().retrying) == (0, len(CASES))
            clock.advance("1h")
            await all_of(events, JobBecameDead, len(CASES))
            assert await (await runner.enqueue(beside)).result() == "ran"
            found = {case: await handle.job() for case, handle in handles.items()}
    assert {(one.status, one.reason) for one in found.values()} == {(Status.DEAD, "all 2 attempts used up")}
    for case, expected in CASES.items():
        for attempt in found[case].history:
            assert (attempt.outcome, attempt.error_type) == (Outcome.FAILED, expected.error_type), case
            assert (attempt.message or "")[: len(expected.message)] == expected.message, case
        assert [attempt.attempt for attempt in found[case].history] == [1, 2]


# What they leave behind.

USER: contextvars.ContextVar[str] = contextvars.ContextVar("USER", default="unknown")


def remembers() -> tuple[str, int]:
    found = USER.get()
    USER.set("the job before")
    return found, os.getpid()


async def remembers_on_the_loop() -> tuple[str, int]:
    found = remembers()
    await asyncio.create_task(asyncio.sleep(0))
    return found


@MODES
async def test_what_a_job_sets_is_seen_neither_by_the_host_nor_by_the_next_job(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    odd = declared(mode, remembers_on_the_loop, remembers)
    USER.set("the request")
    async with JobRunner(":memory:", jobs=[odd], max_running=1) as runner:
        found = [await (await runner.enqueue(odd)).result() for _ in range(3)]
        assert [user for user, _ in found] == ["unknown"] * 3
        assert len({pid for _, pid in found}) == 1  # they share a process, and nothing in it
    assert USER.get() == "the request"


# Who blocks the event loop.


@asynccontextmanager
async def blocked_by(handler: Callable[..., Any]) -> AsyncIterator[tuple[JobRunner, Watch]]:
    runner = JobRunner(":memory:", jobs=[JobType(handler, name="heavy")], drain_timeout=0)
    async with asyncio.timeout(PATIENCE), runner:
        yield runner, runner.watch()


def stands_still() -> None:
    hold_thread_for(1.6)


def keeps_the_interpreter() -> int:
    until, number = time.monotonic() + 1.6, 10**7
    while time.monotonic() < until:
        sum(range(number))  # one call of C, which lets nothing else run
    return number


async def awaits_and_then_stands_still() -> None:
    await asyncio.sleep(0)
    stands_still()


async def keeps_the_interpreter_on_the_loop() -> None:
    keeps_the_interpreter()


async def waits() -> None:
    await asyncio.Event().wait()


async def stands_still_in_a_task_of_its_own() -> None:
    async with anyio.create_task_group() as group:
        group.start_soon(awaits_and_then_stands_still)


@slow
@pytest.mark.parametrize(
    ("handler", "named", "seen"),
    [
        (awaits_and_then_stands_still, "heavy", "stands_still"),
        (keeps_the_interpreter_on_the_loop, "heavy", "keeps_the_interpreter"),
        (stands_still_in_a_task_of_its_own, "?", "awaits_and_then_stands_still"),
    ],
)
async def test_a_blocked_event_loop_is_published_with_the_job_type_and_the_place(
    handler: Callable[..., Any], named: str, seen: str
) -> None:
    async with blocked_by(handler) as (runner, events):
        await (await runner.enqueue_named("heavy")).result()
        fact = await next_fact(events, LoopBlocked)
        assert fact.seconds >= 1
        assert (fact.type, seen in fact.stack) == (named, True), fact


@slow
async def test_no_job_is_blamed_for_what_the_host_does() -> None:
    async with blocked_by(waits) as (runner, events):
        await runner.enqueue_named("heavy")
        await next_fact(events, AttemptStarted)
        stands_still()
        fact = await next_fact(events, LoopBlocked)
        assert (fact.type, "test_no_job_is_blamed" in fact.stack) == ("?", True), fact


@slow
async def test_a_thread_that_stands_still_blocks_nothing() -> None:
    async with blocked_by(stands_still) as (runner, events):
        await (await runner.enqueue_named("heavy")).result()
        assert [event for event in events.take() if isinstance(event, LoopBlocked) and event.type != "?"] == []


@slow
async def test_an_owner_whose_event_loop_is_blocked_for_long_is_not_robbed_and_the_job_type_is_named(
    database: Path,
) -> None:
    async with looking(database) as here, worker(database) as blocked:
        await blocked.line("ready")
        handle = await here.enqueue_named("blocking")
        assert await blocked.line("started") == ["started", str(handle.id), "1"]
        async with worker(database) as second:
            await second.line("ready")
            await let_fault_last(BLOCKED)  # meanwhile both others look after the dead
            assert await (await here.enqueue(quick)).result(PATIENCE) == second.pid
            found = await handle.job()
            assert (found.status, found.attempts, found.history) == (Status.PROCESSING, 1, ())
            blocked.order("free")
            line = " ".join(await blocked.line("log blocked:"))
            await handle.result(PATIENCE)
        assert second.said("started") == []
        assert len(blocked.said("started")) == 1
        assert float(line.split(" for ")[1].split()[0]) >= BLOCKED
        assert line.endswith(" in a handler of blocking"), line
        assert (await handle.job()).attempts == 1


# Who ends its process.


@slow
async def test_a_job_that_ends_its_process_in_whatever_way_is_dead_at_the_third_time_and_no_other_is_touched(
    database: Path,
) -> None:
    async with JobRunner(database, jobs=[dies, held, quick], max_running=0) as runner, worker(database) as other:
        mine = await runner.enqueue(held)
        assert await other.line("started") == ["started", str(mine.id), "1"]
        later = await runner.enqueue(quick.using(delay="1h"))
        before = [await mine.job(), await later.job()]
        handle = await runner.enqueue(dies)
        codes = []
        for attempt in (1, 2, 3):
            async with program("-m", "tests.helpers.apps.dying", database) as child:
                assert await child.line("started") == ["started", str(handle.id), str(attempt)]
                codes.append(await child.ended())
        async with program("-m", "tests.helpers.apps.dying", database) as child:
            with pytest.raises(JobDead):  # when claimed, if a process gave it back that does not know its type
                await handle.result(PATIENCE)
            assert not child.said("started")
        found = await handle.job()
        assert codes == [-signal.SIGKILL, 0, -signal.SIGSEGV]
        assert (found.status, found.attempts, found.crashes, found.reason) == (Status.DEAD, 3, 3, "crashed")
        assert [one.outcome for one in found.history[: len(WAYS)]] == [Outcome.LOST] * len(WAYS)
        assert [await mine.job(), await later.job()] == before
        other.order("go")
        assert await mine.result(PATIENCE) == other.pid
