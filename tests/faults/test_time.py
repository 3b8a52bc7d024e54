"""The wall clock jumps by an hour and by a day, both ways; a process stands still; and both days of a change."""

from __future__ import annotations

import ast
import asyncio
import json
import random
import re
import sqlite3
from contextlib import AbstractAsyncContextManager, closing
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from signal import SIGCONT, SIGKILL, SIGSTOP

import pytest

from aiojobs_lite import Job, JobContext, JobRunner, Outcome, Status, injected, job
from aiojobs_lite.clock import MICROSECONDS
from aiojobs_lite.policy.catch_up import CatchUp
from aiojobs_lite.testing.clock import FakeClock
from aiojobs_lite.testing.probe import Probe
from tests.helpers.apps.ticking import JOBS
from tests.helpers.calendar import HOUR, MINUTE, changes, ticks
from tests.helpers.pauses import let_fault_last, pause
from tests.helpers.programs import Child, program, rescue
from tests.helpers.rings import deep, depth, first_of, slow
from tests.helpers.source import PACKAGE, PACKAGE_FOLDER, SQL, nodes
from tests.helpers.waiting import PATIENCE, MovedClock, until

START = datetime(2026, 1, 5, tzinfo=UTC)
RULES: tuple[CatchUp, ...] = ("all", "latest", "skip")
JUMPS = [3600, -3600, 86400, -86400]


# In a process of its own, whose clock is moved while it works.


@slow
async def test_a_jump_loses_no_job_and_no_tick_and_ends_no_attempt(tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as group:
        lives = [
            group.create_task(survives_a_jump(tmp_path / f"{by}.db", by), name=f"by {by}") for by in JUMPS
        ]  # fmt: skip
    for life in lives:
        assert {name: (job.status, job.attempts) for name, job in life.result().items()} == {
            "held": (Status.COMPLETED, 1), "later": (Status.COMPLETED, 1),
            "before": (Status.COMPLETED, 3), "after": (Status.COMPLETED, 3),
        }, life.get_name()  # fmt: skip


async def survives_a_jump(database: Path, by: int) -> dict[str, Job]:
    async with ticking(database) as child, looking(database) as other:
        for words in ("held held 0", "quick later 1800", "fails_twice before 0"):
            await give(child, f"enqueue {words}")
        await ran(child, "held 1", "before 3")
        await two_ticks(child)
        await give(child, f"move {by}")
        await give(child, "enqueue fails_twice after 0")
        await ran(child, "after 3")  # its backoff counts from the new time
        await two_ticks(child)
        if by > 0:
            await ran(child, "later 1")
        else:
            assert ["ran", "later", "1"] not in said(child)
            await give(child, "move 1801")
            await ran(child, "later 1")
            await give(child, f"move {by}")
        await rescue(other)
        await sane(child)
        child.order("go")
        jobs = await finished(other)
        child.order("leave")
        assert await child.ended() == 0
    fired = [int(instant) for _, instant in child.said("tick")]
    assert len(fired) == len(set(fired))
    assert any(abs(later - tick - by) < 60 for tick, later in pairwise(fired))
    return jobs


@slow
async def test_jobs_of_a_clock_that_was_years_ahead_run_when_it_is_set_back(tmp_path: Path) -> None:
    """While the process runs, and at the next start; a delay is counted from then on."""
    database, ahead = tmp_path / "jobs.db", 3650 * 86400
    async with JobRunner(database, jobs=JOBS, max_running=0) as other:
        await other.types.pause("quick")
        async with ticking(database) as child:
            await give(child, f"move {ahead}")
            for words in ("quick first 0", "quick delayed 60", "fails_twice again 0"):
                await give(child, f"enqueue {words}")
            await ran(child, "again 3")
            await give(child, "move 0")
            await child.line("log moved")
            await other.types.resume("quick")
            await ran(child, "first 1")
            await two_ticks(child)
            await sane(child)
            await give(child, "move 61")
            await ran(child, "delayed 1")
            await other.types.pause("quick")
            await give(child, f"move {ahead}")
            await give(child, "enqueue quick last 0")
            child.signal(SIGKILL)
            await child.ended()
        await other.types.resume("quick")
        async with ticking(database) as child:
            await ran(child, "last 1")
            await two_ticks(child)
            jobs = await finished(other)
    attempts = {name: job.attempts for name, job in jobs.items()}
    assert attempts == {"first": 1, "delayed": 1, "again": 3, "last": 1}


@slow
async def test_a_process_that_stood_still_is_not_robbed_and_catches_up(tmp_path: Path) -> None:
    async with asyncio.TaskGroup() as group:
        lives = [
            group.create_task(survives_a_stop(tmp_path / f"{catch_up}.db", catch_up), name=catch_up)
            for catch_up in RULES
        ]
    assert {life.get_name(): bool(life.result()) for life in lives} == {"all": False, "latest": True, "skip": True}


async def survives_a_stop(database: Path, catch_up: CatchUp) -> set[int]:
    """A process stands still for a while; returns the ticks that did not run."""
    async with ticking(database, catch_up) as child, looking(database) as other:
        await give(child, "enqueue held held 0")
        await give(child, "enqueue timed timed 0")
        await ran(child, "held 1", "timed 1")
        await child.line("tick")
        child.signal(SIGSTOP)
        await let_fault_last(2.5)
        await rescue(other)
        assert {job.attempts for job in await other.jobs.list(status=Status.PROCESSING)} == {1}
        child.signal(SIGCONT)
        await ran(child, "timed 2")
        await two_ticks(child)
        child.order("go")
        jobs = await finished(other)
        await sane(child)
        child.order("leave")
        assert await child.ended() == 0
        (once,) = (await other.jobs.get(jobs["timed"].id)).history
    assert (jobs["held"].attempts, jobs["timed"].attempts, once.outcome) == (1, 2, Outcome.TIMED_OUT)
    fired = [int(instant) for _, instant in child.said("tick")]
    assert fired == sorted(set(fired))
    missed = set(range(fired[0], fired[-1])).difference(fired)
    assert missed <= skipped(child)  # what did not run is accounted for
    return missed


def skipped(child: Child) -> set[int]:
    """The ticks of which the runner said that they were missed."""
    skipping = re.compile(
        r"log skipped: (\d+) ticks? of tick (?:at|from) (\S+ \S+) UTC(?: on)?: missed while nothing ran or "
    )
    found = [match for line in child.lines if (match := skipping.match(line))]
    starts = [(int(datetime.fromisoformat(f"{match[2]}+00:00").timestamp()), int(match[1])) for match in found]
    return {second for start, count in starts for second in range(start, start + count)}


def ticking(database: Path, catch_up: CatchUp = "latest") -> AbstractAsyncContextManager[Child]:
    return program("-m", "tests.helpers.apps.ticking", database, catch_up)


def looking(database: Path) -> JobRunner:
    return JobRunner(database, max_running=0)


async def give(child: Child, order: str) -> None:
    child.order(order)
    await child.line(f"{order} done")


def said(child: Child) -> list[list[str]]:
    return [line.split() for line in child.lines]


async def ran(child: Child, *attempts: str) -> None:
    """Waits until these were said to run, in whatever order."""
    wanted = [["ran", *attempt.split()] for attempt in attempts]
    while any(words not in said(child) for words in wanted):
        await child.line("ran")


async def two_ticks(child: Child) -> None:
    await child.line("tick")
    await child.line("tick")


async def finished(runner: JobRunner) -> dict[str, Job]:
    """Waits until every job that has a name is at its end; returns them."""
    async with asyncio.timeout(PATIENCE):
        while True:
            jobs = [job for known in JOBS for job in await runner.jobs.list(type=known.name)]
            if all(job.completed_at for job in jobs):
                return {job.payload["name"]: job for job in jobs}
            await pause()


async def sane(child: Child) -> None:
    """Looks at what the child shows of itself."""
    child.order("stats")
    _, found = await child.line("found")
    age, throughput, lag = json.loads(found)
    assert 0 <= age < 30
    assert 0 < throughput < 1000
    assert 0 <= lag < 30


# In this process, on a clock that moves only as the test says apart.


class Expected:
    """What a schedule that fires each minute is to do, in minutes since the start, by what is written about it."""

    def __init__(self, catch_up: CatchUp) -> None:
        self.catch_up = catch_up
        self.now = 0.0
        self.next = 1
        self.dealt_with: set[int] = set()
        self.fired: list[int] = []

    def moved(self, to: float) -> None:
        self.now = to
        following = int(to // 1) + 1
        self.next = min(self.next, following)
        if self.next >= following:
            return
        due = range(self.next, following)[-100 if self.catch_up == "all" else -1 :]
        for tick in due:
            late = {"all": 1e9, "latest": 1440, "skip": 1}[self.catch_up]
            if tick not in self.dealt_with and to - tick <= late:
                self.fired.append(tick)
            self.dealt_with.add(tick)
        self.next = following


@deep
@pytest.mark.parametrize("catch_up", RULES)
async def test_whatever_the_clock_does_each_tick_runs_once_or_is_missed_as_its_rule_says(
    database: Path, catch_up: CatchUp
) -> None:
    clock, expected, fired = FakeClock(START), Expected(catch_up), list[int]()
    runner = JobRunner(database, clock=clock, durability="normal")

    @runner.cron("* * * * *", catch_up=catch_up, overlap="queue")
    async def minutely(ctx: JobContext = injected) -> None:
        assert ctx.tick is not None
        fired.append((ctx.tick - START) // MINUTE)

    def move() -> None:
        to = expected.now + random.choice([1, 1, 1, 0.5, 3, 60, 1440, -60, -60, -1440])
        if 0 <= to <= 2700:  # within two days, for so long a tick is remembered
            clock.jump_to(START + to * MINUTE)
            expected.moved(to)

    async def settled() -> None:
        await runner.run_until_idle()
        await until(lambda: next_of(runner) == stored_next(database) == expected.next)
        assert sorted(fired) == sorted(expected.fired)

    for _ in range(depth(2, 8)):
        async with runner:
            await settled()
            for _ in range(4):
                move()
                await settled()
        move()  # and it is started again
    assert len(set(fired)) == len(fired)


def next_of(runner: JobRunner) -> int:
    """The minute for which the schedule waits now."""
    (tick,) = Probe(runner).next_ticks.values()
    return minute_of(tick)


def stored_next(database: Path) -> int:
    """The minute for which it waits by the database, also after a restart."""
    with closing(sqlite3.connect(database)) as connection:
        ((tick,),) = connection.execute("SELECT next_tick FROM aiojobs_schedules").fetchall()
    return minute_of(tick)


def minute_of(tick: int) -> int:
    return (datetime.fromtimestamp(tick / MICROSECONDS, UTC) - START) // MINUTE


@pytest.mark.parametrize("tz", first_of(1, ["Europe/London", "Australia/Lord_Howe", "America/Havana"]))
@pytest.mark.parametrize("which", first_of(1, [0, 1]))
async def test_both_odd_days_through_restarts_and_a_clock_that_is_set_back(database: Path, tz: str, which: int) -> None:
    change = changes(tz, 2025)[which]  # a year that is over: no government changes it any more
    start, end = change - 3 * HOUR, change + 3 * HOUR
    expressions = ("30 1 * * *", "0 0,2 * * *", "*/30 * * * *", "20 * * * *", "15,45 0-3 * * *")
    clock, ran = FakeClock(start), {expression: list[datetime]() for expression in expressions}
    runner = JobRunner(database, clock=clock, durability="normal")
    for number, expression in enumerate(expressions):

        @runner.cron(expression, name=f"schedule {number}", tz=tz, catch_up="all", overlap="queue")
        async def note(ran: list[datetime] = ran[expression], *, ctx: JobContext = injected) -> None:
            assert ctx.tick is not None
            ran.append(ctx.tick)

    while clock.time < end:
        async with runner:
            for _ in range(random.randrange(8)):
                clock.advance("10m")
                await runner.run_until_idle()
        if clock.time < end and random.random() < 0.5:
            clock.jump_to(max(start, clock.time - HOUR / 2))
    async with runner:
        await runner.run_until_idle()
    for expression in expressions:
        assert sorted(ran[expression]) == ticks(expression, tz, start, clock.time), expression


async def test_what_waits_for_a_slot_while_the_clock_is_set_back_runs_once(database: Path) -> None:
    clock, go, ran = FakeClock(START), asyncio.Event(), list[int]()
    runner = JobRunner(database, clock=clock, max_running=1)

    @runner.job
    async def waits(n: int) -> None:
        ran.append(n)
        await go.wait()

    async with runner:
        handles = await runner.enqueue_many([waits.bind(n) for n in range(5)])
        await until(lambda: len(ran) == 1)
        clock.jump_to(START - 24 * HOUR)
        go.set()
        await handles[0].result()
        assert runner.stats().oldest_due_age >= 0
        clock.jump_to(START)
        for handle in handles:
            await handle.result()
        assert sorted(ran) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("by", first_of(1, JUMPS))
async def test_a_jump_neither_shortens_nor_prolongs_a_drain(database: Path, by: int) -> None:
    clock, started, stopped = MovedClock(), asyncio.Event(), asyncio.Event()

    @job
    async def endless() -> None:
        started.set()
        try:
            await asyncio.Event().wait()
        finally:
            stopped.set()

    runner = JobRunner(database, jobs=[endless], clock=clock, drain_timeout=0.3, cancel_grace=0.1)
    async with runner:
        handle = await runner.enqueue(endless)
        await started.wait()
        leaving = asyncio.get_running_loop().time()
        clock.offset += by
    assert stopped.is_set()
    assert asyncio.get_running_loop().time() - leaving >= 0.3
    async with JobRunner(database, max_running=0) as looking:
        found = await looking.jobs.get(handle.id)
    assert (found.status, found.attempts) == (Status.PENDING, 0)


# That a clock of a test's own is as good as the machine's.


def test_nothing_asks_the_machine_for_the_time_of_day_but_the_clock() -> None:
    asking = [path for path in PACKAGE if MAY_ASK.search(path.read_text(encoding="utf-8"))]  # no other need be parsed
    found = [path.relative_to(PACKAGE_FOLDER).as_posix() for path in asking for node in nodes(path) if asks(node)]
    of_files = ["stores/sqlite/file.py", "stores/sqlite/owner_file.py"]  # which compare it with the time of a file
    assert found == ["clock.py", *of_files]
    words = re.compile(
        r"\b(unixepoch|julianday|strftime|date|time|datetime) *\(|'now'|current_(date|time)", re.IGNORECASE
    )
    assert [path for path in SQL if words.search(path.read_text(encoding="utf-8"))] == []
    assert len(SQL) > 1


MAY_ASK = re.compile(r"\btime\s*\.\s*\w|\b(datetime|date)\s*\.\s*(now|utcnow|today)\b|\bfrom\s+time\s+import\b")
STEADY = frozenset({"monotonic", "perf_counter", "process_time", "thread_time", "sleep"})  # of the module `time`


def asks(node: ast.AST) -> bool:
    """Whether code asks for the wall clock: `time.time()`, `datetime.now()` and their like."""
    match node:
        case ast.Attribute(value=ast.Name(id="time"), attr=attr):
            return attr not in STEADY
        case ast.Attribute(value=ast.Name(id="datetime" | "date"), attr="now" | "utcnow" | "today"):
            return True
        case ast.ImportFrom(module="time", names=names):
            return not STEADY.issuperset(alias.name for alias in names)
    return False
