"""A process of a chaos run: a runner with jobs of many kinds, and callers who enqueue, cancel and redrive."""

from __future__ import annotations

import asyncio
import ctypes
import itertools
import logging
import random
import signal
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from aiojobs_lite import AiojobsError, Backoff, JobContext, JobRunner, Snooze, StoreUnavailable, injected, job
from aiojobs_lite.testing.probe import Probe
from tests.chaos.journal import Journal
from tests.helpers.pauses import hold_thread_for, pause, work_for

LIMIT = 3
START_REFUSED = 75  # exit code: the database could not be opened in time, because a stopped process holds its lock
_PR_SET_PDEATHSIG = 1  # linux/prctl.h
_SHORT = Backoff(base=0.02, cap=0.3)
_CALLERS = 3  # a process
_MOST_PENDING = 150


@dataclass
class Work:
    """What the handlers and callers of one process share."""

    journal: Journal
    chance: random.Random
    runner: JobRunner = field(init=False)
    numbers: itertools.count[int] = field(default_factory=itertools.count)
    known: list[int] = field(default_factory=list)

    async def enqueue(self, what: Any, *arguments: Any, key: str | None = None) -> None:
        """Enqueues one job under a name of its own, and notes before and after."""
        call = self._called(1, key)
        configured = what if key is None else what.using(idempotency_key=key)
        handle = await self.runner.enqueue(configured, call, *arguments)
        self._acknowledged(call, [handle.id], [handle.is_new])

    async def enqueue_many(self, count: int) -> None:
        """The same with many in one transaction."""
        call = self._called(count, None)
        handles = await self.runner.enqueue_many([quick.bind(call) for _ in range(count)])
        self._acknowledged(call, [handle.id for handle in handles], [handle.is_new for handle in handles])

    def _called(self, jobs: int, key: str | None) -> str:
        call = f"{self.journal.writer}.{next(self.numbers)}"
        self.journal.note("called", call=call, jobs=jobs, key=key)
        return call

    def _acknowledged(self, call: str, jobs: list[int], new: list[bool]) -> None:
        self.journal.note("acknowledged", call=call, jobs=jobs, new=new)
        self.known = [*self.known, *jobs][-50:]


class Run:
    """One attempt: notes its begin and, however it ends, its end. Its result names it."""

    def __init__(self, work: Work, ctx: JobContext) -> None:
        self._journal = work.journal
        self.result = f"{ctx._claimed.owner}:{ctx.attempt}"
        self._facts = {
            "job": ctx.id, "attempt": ctx.attempt, "owner": ctx._claimed.owner, "type": ctx.type,
            "run": f"{work.journal.writer}.{next(work.numbers)}",
        }  # fmt: skip

    def __enter__(self) -> Run:
        self._journal.note("begun", **self._facts)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._journal.note("ended", run=self._facts["run"], how="returned" if kind is None else kind.__name__)

    def going(self) -> None:
        """A sign of life."""
        self._journal.note("going", run=self._facts["run"])


@job(backoff=_SHORT)
async def quick(ctx: JobContext, call: str, work: Work = injected) -> str:
    with Run(work, ctx) as run:
        return run.result


@job(backoff=_SHORT)
async def slow(ctx: JobContext, call: str, seconds: float, work: Work = injected) -> str:
    with Run(work, ctx) as run:
        await work_for(seconds)
        return run.result


@job(backoff=_SHORT)
async def blocking(ctx: JobContext, call: str, seconds: float, work: Work = injected) -> str:
    with Run(work, ctx) as run:
        hold_thread_for(seconds)
        return run.result


@job(backoff=_SHORT)
async def flaky(ctx: JobContext, call: str, failures: int, work: Work = injected) -> str:
    with Run(work, ctx) as run:
        await work_for(0.005)
        if ctx.attempt <= failures:
            raise ValueError("not yet")
        return run.result


@job(backoff=_SHORT, max_attempts=2)
async def doomed(ctx: JobContext, call: str, work: Work = injected) -> str:
    with Run(work, ctx):
        raise ValueError("never")


@job(backoff=_SHORT, timeout=0.2)
async def hasty(ctx: JobContext, call: str, work: Work = injected) -> str:
    with Run(work, ctx) as run:
        await work_for(0.5 if ctx.attempt == 1 else 0.01)
        return run.result


@job(backoff=_SHORT)
async def sleepy(ctx: JobContext, call: str, work: Work = injected) -> str:
    with Run(work, ctx) as run:
        if ctx._claimed.snoozes == 0:
            raise Snooze(0.1)
        return run.result


@job(backoff=_SHORT)
def threaded(ctx: JobContext, call: str, seconds: float, stubborn: bool, work: Work = injected) -> str:
    with Run(work, ctx) as run:
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            hold_thread_for(0.01)
            run.going()
            if ctx.stopping and not stubborn:
                raise RuntimeError("stopped")
        return run.result


@job(backoff=_SHORT, concurrency=LIMIT)
async def limited(ctx: JobContext, call: str, work: Work = injected) -> str:
    with Run(work, ctx) as run:
        await work_for(0.03)
        return run.result


@job(backoff=_SHORT)
async def parent(ctx: JobContext, call: str, work: Work = injected) -> str:
    with Run(work, ctx) as run:
        await work.enqueue(quick, key=f"child of {ctx.id}")  # one, in however many attempts
        await work.enqueue(quick)
        return run.result


async def tick(ctx: JobContext, work: Work = injected) -> str:
    with Run(work, ctx) as run:
        return run.result


JOBS = (quick, slow, blocking, flaky, doomed, hasty, sleepy, threaded, limited, parent)


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
    ids = work.known[-10:] + [one.id for one in found if one.type != "tick"]
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
    if found and (gone := work.chance.choice(found)).type != "tick":
        work.journal.note("deleting", job=gone.id, call=gone.payload["call"])
        await work.runner.jobs.delete(gone.id)


_CALLS: tuple[tuple[int, Callable[[Work], Awaitable[None]]], ...] = (
    (30, lambda work: work.enqueue(quick)),
    (5, lambda work: work.enqueue_many(work.chance.randint(2, 20))),
    (6, lambda work: work.enqueue(slow, round(work.chance.uniform(0.1, 2.0), 3))),
    (3, lambda work: work.enqueue(blocking, round(work.chance.uniform(0.0, 0.1), 3))),
    (10, lambda work: work.enqueue(flaky, work.chance.randint(1, 3))),
    (4, lambda work: work.enqueue(doomed)),
    (3, lambda work: work.enqueue(hasty)),
    (4, lambda work: work.enqueue(sleepy)),
    (5, lambda work: work.enqueue(threaded, round(work.chance.uniform(0.05, 1.5), 3), work.chance.random() < 0.5)),
    (20, lambda work: work.enqueue(limited)),
    (6, lambda work: work.enqueue(parent)),
    (8, _keyed),
    (5, _given_up),
    (10, _cancel),
    (3, _redrive),
    (4, _delete),
)


async def _call(work: Work) -> None:
    """One caller: does this and that until it is cancelled. What fails is of unknown outcome, or was refused."""
    weights = [weight for weight, _ in _CALLS]
    while True:
        await work_for(work.chance.expovariate(1 / 0.04))
        if work.runner.stats().pending < _MOST_PENDING:
            ((_, call),) = work.chance.choices(_CALLS, weights)
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
            self._journal.note("defect", text=self.format(record))


def live(database: Path, journal: Journal, durability: Literal["full", "normal"], seed: str) -> int:
    """What a forked process does until it is killed, or has drained; returns its exit code."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for the killer
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    _listen(journal)
    work = Work(journal, random.Random(seed))
    work.runner = JobRunner(
        database, jobs=JOBS, deps={Work: work}, max_running=20, drain_timeout=0.3, cancel_grace=0.3,
        durability=durability, keep_completed="30d",
    )  # fmt: skip
    work.runner.cron("* * * * * *", catch_up="all", overlap="queue")(tick)
    return asyncio.run(_live(work))


async def _live(work: Work) -> int:
    try:
        await _enter(work)
    except StoreUnavailable as error:
        work.journal.note("refused start", reason=str(error))
        return START_REFUSED
    callers = [asyncio.create_task(_call(work)) for _ in range(_CALLERS)]
    await work.runner.run_forever()  # until SIGTERM
    for caller in callers:
        caller.cancel()
    await asyncio.gather(*callers, return_exceptions=True)
    await work.runner.__aexit__(None, None, None)
    return 0


async def _enter(work: Work) -> None:
    entering = asyncio.create_task(work.runner.__aenter__())
    await asyncio.sleep(0)  # the engine is made, and has not opened the database
    work.journal.note("owner", owner=Probe(work.runner).owner)
    await entering
    work.journal.note("up")


def finish(database: Path, journal: Journal, patience: float) -> int:
    """What the last process does: works until every job has ended, then looks after the dead once more."""
    _listen(journal)
    return asyncio.run(_finish(database, Work(journal, random.Random(0)), patience))


async def _finish(database: Path, work: Work, patience: float) -> int:
    jobs = (*JOBS, job(name="tick")(tick))
    work.runner = JobRunner(database, jobs=jobs, deps={Work: work}, keep_completed="30d")
    try:
        async with asyncio.timeout(patience):
            await _enter(work)
            while (stats := work.runner.stats()).pending or stats.processing:
                await work.runner.run_until_idle()
                await pause()  # for what is due later, after its backoff
    except TimeoutError:
        pass  # the audit finds what has not ended
    await work.runner.__aexit__(None, None, None)
    async with JobRunner(database, jobs=jobs, deps={Work: work}, max_running=0):
        return 0


def _listen(journal: Journal) -> None:
    logger = logging.getLogger("aiojobs_lite")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(_Log(journal))
    logging.getLogger("asyncio").addHandler(_Log(journal))
