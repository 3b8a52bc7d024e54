"""A process of a chaos run: a runner with jobs of many kinds, and callers who enqueue, cancel and redrive."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import logging
import random
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from aiojobs_lite import AiojobsError, JobContext, JobRunner, JobType, Snooze, StoreUnavailable, injected, job
from aiojobs_lite.clock import Clock
from aiojobs_lite.errors import RunnerError, ScheduleNotFound
from aiojobs_lite.testing.probe import Probe, claimed_of
from tests.chaos import children, flow, functions
from tests.chaos.journal import Journal
from tests.chaos.work import (
    EVERY,
    LIMITS,
    NEVER,
    NOT_YET,
    SHORT,
    STOPPED,
    VERSIONS,
    Flag,
    Kinds,
    Run,
    Version,
    Work,
    quick,
)
from tests.helpers.pauses import hold_thread_for, pause, work_for

START_REFUSED = 75  # exit code: the database could not be opened in time, because a stopped process holds its lock
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_CALLERS = 3  # a process
_MOST_PENDING = 150
SLOTS = 20  # of a runner


@job(backoff=SHORT)
async def slow(call: str, seconds: float, *, ctx: JobContext = injected, work: Work = injected) -> str:
    with Run(work.journal, ctx) as run:
        await work_for(seconds)
        return run.result


@job(backoff=SHORT)
async def blocking(call: str, seconds: float, *, ctx: JobContext = injected, work: Work = injected) -> str:
    with Run(work.journal, ctx) as run:
        hold_thread_for(seconds)
        return run.result


@job(backoff=SHORT)
async def flaky(call: str, failures: int, *, ctx: JobContext = injected, work: Work = injected) -> str:
    with Run(work.journal, ctx) as run:
        await work_for(0.005)
        if ctx.attempt <= failures:
            raise ValueError(NOT_YET)
        return run.result


@job(backoff=SHORT, max_attempts=2)
async def doomed(call: str, *, ctx: JobContext = injected, work: Work = injected) -> str:
    with Run(work.journal, ctx):
        raise ValueError(NEVER)


@job(backoff=SHORT, timeout=0.2)
async def hasty(call: str, *, ctx: JobContext = injected, work: Work = injected) -> str:
    with Run(work.journal, ctx) as run:
        await work_for(0.5 if ctx.attempt == 1 else 0.01)
        return run.result


@job(backoff=SHORT)
async def sleepy(call: str, *, ctx: JobContext = injected, work: Work = injected) -> str:
    with Run(work.journal, ctx) as run:
        if claimed_of(ctx).snoozes == 0:
            raise Snooze(0.1)
        return run.result


@job(backoff=SHORT)
def threaded(call: str, seconds: float, stubborn: bool, *, ctx: JobContext = injected, work: Work = injected) -> str:
    with Run(work.journal, ctx) as run:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            hold_thread_for(0.01)
            run.going()
            if ctx.stopping and not stubborn:
                raise RuntimeError(STOPPED)
        return run.result


async def limited(call: str, *, ctx: JobContext = injected, work: Work = injected) -> str:
    with Run(work.journal, ctx) as run:
        await work_for(0.03)
        return run.result


@job(backoff=SHORT)
async def parent(call: str, *, ctx: JobContext = injected, work: Work = injected) -> str:
    with Run(work.journal, ctx) as run:
        await work.enqueue(quick, key=f"child of {ctx.id}")  # one, in however many attempts
        await work.enqueue(quick)
        return run.result


async def tick(ctx: JobContext = injected, work: Work = injected) -> str:
    with Run(work.journal, ctx) as run:
        return run.result


async def beat(ctx: JobContext = injected, work: Work = injected) -> str:
    with Run(work.journal, ctx) as run:
        return run.result


@job
async def chime(ctx: JobContext = injected, work: Work = injected) -> str:
    with Run(work.journal, ctx) as run:
        return run.result


@job(backoff=SHORT, name="changed")
async def changed_old(call: str, number: int, *, ctx: JobContext = injected, work: Work = injected) -> str:
    with Run(work.journal, ctx) as run:
        return run.result


@job(backoff=SHORT, name="changed")
async def changed_new(call: str, text: str, *, ctx: JobContext = injected, work: Work = injected) -> str:
    with Run(work.journal, ctx) as run:
        return run.result


@job(backoff=SHORT)
async def removed(call: str, *, ctx: JobContext = injected, work: Work = injected) -> str:
    with Run(work.journal, ctx) as run:
        return run.result


@job(backoff=SHORT)
async def added(call: str, *, ctx: JobContext = injected, work: Work = injected) -> str:
    with Run(work.journal, ctx) as run:
        return run.result


_JOBS = (quick, slow, blocking, flaky, doomed, hasty, sleepy, threaded, parent, *children.JOBS, *flow.JOBS)
_CHANGED: dict[Version, JobType[..., str]] = {"old": changed_old, "new": changed_new}
_OWN: dict[Version, JobType[..., str]] = {"old": removed, "new": added}
_LIMITED: dict[Version, JobType[..., str]] = {
    version: job(backoff=SHORT, name="limited", concurrency=LIMITS[version])(limited) for version in VERSIONS
}


def _jobs(version: Version) -> tuple[JobType[..., str], ...]:
    return (*_JOBS, chime, _LIMITED[version], _CHANGED[version], _OWN[version], *functions.jobs_of(version))


# Callers.


async def _keyed(work: Work) -> None:
    key = f"k{int(time.monotonic() * 4)}"  # the other processes use the same
    await work.enqueue(quick, key=key)


async def _given_up(work: Work) -> None:
    try:
        async with asyncio.timeout(work.chance.uniform(0, 0.005)):
            await work.enqueue_many(3)
    except TimeoutError:
        pass


async def _cancel(work: Work) -> None:
    found = await work.runner.jobs.list(status=work.chance.choice(["pending", "processing"]), limit=10)
    ids = work.known[-10:] + [one.id for one in found if one.tick is None]
    if ids:
        job_id = work.chance.choice(ids)
        work.journal.note("cancelling", job=job_id)
        status = await work.runner.jobs.cancel(job_id)
        work.journal.note("cancelled", job=job_id, status=status.value)


async def _redrive(work: Work) -> None:
    found = await work.runner.jobs.list(status=work.chance.choice(["dead", "cancelled"]), limit=10)
    if found:
        job_id = work.chance.choice(found).id
        work.journal.note("redriving", job=job_id)
        await work.runner.jobs.redrive(job_id)


async def _delete(work: Work) -> None:
    """Deletes one of the newest: an id that was the highest is never given again."""
    found = await work.runner.jobs.list(status="completed", limit=3)
    if found and "call" in (gone := work.chance.choice(found)).payload:
        work.journal.note("deleting", job=gone.id, call=gone.payload["call"])
        await work.runner.jobs.delete(gone.id)


_Calls = tuple[tuple[int, Callable[[Work], Awaitable[object]]], ...]
_MOVES: _Calls = ((10, _cancel), (3, _redrive), (4, _delete))
_CALLS: _Calls = (
    (30, lambda work: work.enqueue(quick)),
    (5, lambda work: work.enqueue_many(work.chance.randint(2, 20))),
    (8, lambda work: work.enqueue_in(quick)),
    (6, lambda work: work.enqueue(slow, round(work.chance.uniform(0.1, 2.0), 3))),
    (3, lambda work: work.enqueue(blocking, round(work.chance.uniform(0.0, 0.1), 3))),
    (10, lambda work: work.enqueue(flaky, work.chance.randint(1, 3))),
    (4, lambda work: work.enqueue(doomed)),
    (3, lambda work: work.enqueue(hasty)),
    (4, lambda work: work.enqueue(sleepy)),
    (5, lambda work: work.enqueue(threaded, round(work.chance.uniform(0.05, 1.5), 3), work.chance.random() < 0.5)),
    (20, lambda work: work.enqueue(_LIMITED[work.version])),
    (6, lambda work: work.enqueue(parent)),
    (8, _keyed),
    (5, _given_up),
    *_MOVES,
)


_FORKS: _Calls = (
    (3, lambda work: work.enqueue(children.forks, work.chance.choice(children.HOWS))),
    (2, lambda work: work.enqueue(children.forks_in_thread, work.chance.choice(children.HOWS))),
    (2, lambda work: work.enqueue(children.forks_in_process, work.chance.choice(children.HOWS))),
    (2, lambda work: work.enqueue(children.starts, work.chance.random() < 0.5)),
    (2, lambda work: work.enqueue(children.starts_in_thread, work.chance.random() < 0.5)),
    (2, lambda work: work.enqueue(children.starts_in_process, work.chance.random() < 0.5)),
    (1, lambda work: work.enqueue(children.stuck_in_process)),
)
_OF_VERSIONS: _Calls = (
    (2, lambda work: work.enqueue(_CHANGED[work.version], 7 if work.version == "old" else "seven")),
    (1, lambda work: work.enqueue(_OWN[work.version])),
)


async def _call(work: Work, quiet: Flag, calls: _Calls, every: float) -> None:
    """One caller: does this and that until it is cancelled, and nothing any more when it is to be quiet. What fails is
    of unknown outcome, or was refused.
    """
    weights = [weight for weight, _ in calls]
    while True:
        await work_for(work.chance.expovariate(1 / every))
        if not quiet and work.runner.stats().pending < _MOST_PENDING:
            ((_, call),) = work.chance.choices(calls, weights)
            try:
                await call(work)
            except AiojobsError:
                await work_for(0.1)
            except Exception as error:
                work.journal.note("defect", text=f"a caller was given {error!r}")


# The process.


class _Log(logging.Handler):
    """Notes the facts that the audit judges by, and every line that says that the library has a defect."""

    _FACTS = frozenset({"JobCompleted", "EndRefused", "OwnerRescued", "DrainFinished", "StoreDegraded"})

    def __init__(self, journal: Journal) -> None:
        super().__init__()
        self._journal = journal

    def emit(self, record: logging.LogRecord) -> None:
        fields = vars(record)
        fact = fields.get("fact")
        if fact in self._FACTS:
            noted = ("job_id", "attempt", "owner", "jobs", "left", "reason")
            self._journal.note(fact, **{name: fields[name] for name in noted if name in fields})
        elif fact == "DefectFound" or (fact is None and record.levelno >= logging.ERROR):
            self._journal.note("defect", text=self.format(record), fact=fact)


@dataclass(frozen=True)
class Plan:
    """What a process is to be.

    Attributes:
        database: Its database.
        journal: Where it notes what it does.
        journal_path: The same, for its worker processes.
        clock: Of its runner.
        durability: Of its runner.
        forks: Whether its callers enqueue handlers that fork and start processes.
        kinds: The jobs that its callers enqueue: durable functions, those that are none, or all.
        quiet: Whether its callers do nothing any more.
    """

    database: Path
    journal: Journal
    journal_path: Path
    clock: Clock
    durability: Literal["full", "normal"]
    forks: bool = True
    kinds: Kinds = "all"
    quiet: Flag = field(default_factory=Flag)


def live(plan: Plan, version: Version, seed: str) -> int:
    """What a forked process does until it is killed, or has drained; returns its exit code."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the killer
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    work = _work(plan, version, random.Random(seed))
    work.runner = JobRunner(
        plan.database, jobs=_jobs(version), deps={Work: work}, max_running=SLOTS, drain_timeout=0.3, cancel_grace=0.3,
        durability=plan.durability, keep_completed="30d", clock=plan.clock,
    )  # fmt: skip
    work.runner.cron("* * * * * *", catch_up="all", overlap="queue")(tick)
    work.runner.cron(f"*/{EVERY[version]} * * * * *", catch_up="all", overlap="queue")(beat)
    return asyncio.run(_live(plan, work))


def _work(plan: Plan, version: Version, chance: random.Random) -> Work:
    _listen(plan.journal)
    children.named(plan.journal_path, plan.journal.writer)
    return Work(plan.journal, chance, plan.database, version)


async def _live(plan: Plan, work: Work) -> int:
    try:
        await _enter(work)
    except StoreUnavailable as error:
        work.journal.note("refused start", reason=str(error))
        return START_REFUSED
    await _put(work)
    callers = [asyncio.create_task(_call(work, plan.quiet, *each)) for each in _callers(plan)]
    await work.runner.run_forever()  # until SIGTERM
    for caller in callers:
        caller.cancel()
    await asyncio.gather(*callers, return_exceptions=True)
    await work.runner.__aexit__(None, None, None)
    return 0


def _callers(plan: Plan) -> list[tuple[_Calls, float]]:
    """What each caller does, and how often."""
    calls: list[tuple[_Calls, float]] = []
    if plan.kinds != "durable":
        calls += [(_CALLS, 0.04)] * _CALLERS + [(flow.CALLS, 0.04), (flow.STREAMS, 0.3)]
        calls += [(_OF_VERSIONS, 2.0)] + [(_FORKS, 1.5)] * plan.forks
    if plan.kinds != "plain":
        calls += [(functions.CALLS, 0.1), (_MOVES, 0.5)]
    return calls


async def _enter(work: Work) -> None:
    entering = asyncio.create_task(work.runner.__aenter__())
    await asyncio.sleep(0)  # the engine is made, and has not opened the database
    work.journal.note("owner", owner=Probe(work.runner).owner)
    await entering
    work.journal.note("up")


async def _put(work: Work) -> None:
    """Makes the schedule that is made at run time, as each process does."""
    with contextlib.suppress(StoreUnavailable, RunnerError):  # another process makes it
        await work.runner.schedules.put("chime", "* * * * * *", chime.bind(), catch_up="all", overlap="queue")


def finish(plan: Plan, version: Version, patience: float) -> int:
    """What the last process of a version does: works until every job has ended, then looks after the dead once more."""
    return asyncio.run(_finish(plan, _work(plan, version, random.Random(0)), patience))


async def _finish(plan: Plan, work: Work, patience: float) -> int:
    jobs = (*_jobs(work.version), job(name="tick")(tick), job(name="beat")(beat))
    work.runner = JobRunner(plan.database, jobs=jobs, deps={Work: work}, keep_completed="30d", clock=plan.clock)
    try:
        async with asyncio.timeout(patience):
            await _enter(work)
            with contextlib.suppress(ScheduleNotFound):
                await work.runner.schedules.delete("chime")
            while (stats := work.runner.stats()).pending or stats.processing:
                await work.runner.run_until_idle()
                await pause()  # for what is due later, after its backoff, or is of the other version
    except TimeoutError:
        pass  # the audit finds what has not ended
    await work.runner.__aexit__(None, None, None)
    options: dict[str, Any] = {"keep_completed": "30d", "clock": plan.clock}
    async with JobRunner(plan.database, jobs=jobs, deps={Work: work}, max_running=0, **options):
        return 0


def _listen(journal: Journal) -> None:
    logger = logging.getLogger("aiojobs_lite")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(_Log(journal))
    logging.getLogger("asyncio").addHandler(_Log(journal))
