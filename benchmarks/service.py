"""A file with the jobs of a busy service, as its last hours have left them: what the dashboard is measured on.

All is written by the store's own writes, at instants of the past: counts, attempts, figures and indexes are as a runner
leaves them.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from aiojobs_lite import JobRunner
from aiojobs_lite.clock import MICROSECONDS
from aiojobs_lite.handlers.requests import DELIVERY
from aiojobs_lite.model.batches import InsertInBatch, OpenBatch
from aiojobs_lite.model.ends import Again, Close, Complete, End
from aiojobs_lite.model.events import NewEvent, SendEvents
from aiojobs_lite.model.figures import HOUR, Gathered, hour_of
from aiojobs_lite.model.job import Claimed, Failure, Held, NewJob, Outcome, Status
from aiojobs_lite.model.limits import SetLimits, StoredLimit, lane_text
from aiojobs_lite.model.writes import Claim, Insert
from aiojobs_lite.stores.base import Store
from aiojobs_lite.stores.open import open_store

OWNER: Final = "5e1f00d5e1f00d00"  # a runner that has ended
SINCE: Final = 20 * HOUR  # before now: the first of the jobs was enqueued
LIMIT: Final = "tenant"
RARE_ERROR: Final = "NeedleError"
RARE_USER: Final = 77  # of one job in 50,000
_AT_ONCE: Final = 5_000
_MOST_WAITING: Final = 8_000
_EVENTS: Final = 20_000
_TENANTS: Final = 200
_SCHEDULES: Final = 60
_DAY: Final = 24 * HOUR
_ERRORS: Final = (
    Failure("ConnectionError", "mx3.example.net did not answer within 30 s", "  File handlers.py, line 9\n" * 20),
    Failure("TimeoutError", "the handler took longer than 60 s", "  File pool.py, line 212\n" * 20),
    Failure("ValueError", "the address 'ann at example' has no domain", "  File mail.py, line 40\n" * 20),
)
_RARE: Final = Failure(RARE_ERROR, "a straw was too many", "  File stack.py, line 1\n")


@dataclass(frozen=True, slots=True)
class Shape:
    """What the jobs of a file are like.

    Attributes:
        name: What the shape is called.
        types: How many job types there are.
        status: The status of all jobs; None: mostly completed, some dead, cancelled and pending.
        has_labels_of_their_own: Whether each job has a label of its own; else they share ten.
    """

    name: str
    types: int = 40
    status: Status | None = None
    has_labels_of_their_own: bool = False
    names: tuple[str, ...] = field(init=False)

    def __post_init__(self) -> None:
        kinds = [f"{what}.{n}" for n in range(10) for what in ("email", "report", "sync", "billing")]
        names = [DELIVERY, *kinds[: self.types - 1]] if self.types > 1 else kinds[:1]
        object.__setattr__(self, "names", tuple(names))


SHAPES: Final = {
    shape.name: shape
    for shape in (
        Shape("mixed"),
        Shape("one type", types=1),
        Shape("all dead", status=Status.DEAD),
        Shape("all pending", status=Status.PENDING),
        Shape("one label each", has_labels_of_their_own=True),
    )
}


async def fill(path: Path, jobs: int, shape: Shape) -> None:
    """Makes a file of so many jobs."""
    store = open_store(path, "normal")
    await store.open()
    try:
        await _Filling(store, jobs, shape).run()
    finally:
        await store.close()
    runner = JobRunner(path, durability="normal", max_running=0, keep_completed="30d")
    for n in range(_SCHEDULES):
        runner.cron(f"{n} {n % 24} * * *", tz="Europe/London", name=f"nightly.{n}")(nightly)
    async with runner:
        await runner.run_until_idle()


async def nightly() -> None:
    """The job of a schedule."""


class _Filling:
    """Fills a file, some thousand jobs at a time.

    Args:
        store: What it writes with.
        jobs: How many there are to be.
        shape: What they are to be like.
    """

    def __init__(self, store: Store, jobs: int, shape: Shape) -> None:
        self._store, self._shape, self._jobs = store, shape, jobs
        self._waiting = jobs if shape.status is Status.PENDING else min(_MOST_WAITING, jobs // 10)
        if shape.status is Status.DEAD:
            self._waiting = 0
        self._now = time.time_ns() // 1000
        self._gathered = Gathered()

    async def run(self) -> None:
        """Writes everything."""
        limits = SetLimits((StoredLimit(LIMIT, 2),))
        await self._store.apply([(limits,), (OpenBatch(OWNER, None, is_member=False),)], self._now - SINCE)
        done = self._jobs - self._waiting
        for first in range(0, done, _AT_ONCE):
            at = self._now - SINCE + SINCE * first // done
            await self._work(list(self._rows(first, min(first + _AT_ONCE, done), at)), at, first)
        for first in range(done, self._jobs, _AT_ONCE):
            rows = tuple(self._rows(first, min(first + _AT_ONCE, self._jobs), self._now))
            await self._store.apply(
                [(Insert(tuple(map(self._kept, range(first, first + len(rows)), rows))),)], self._now
            )
        for first in range(0, min(_EVENTS, self._jobs), _AT_ONCE // 5):
            await self._store.apply([(SendEvents(tuple(self._events(first, first + _AT_ONCE // 5))),)], self._now)

    async def _work(self, rows: Sequence[NewJob], at: int, first: int) -> None:
        """Enqueues jobs and ends an attempt of each, and of those that are to be tried again."""
        in_batch = first // _AT_ONCE % 10 == 0
        insert = InsertInBatch(1, is_member=False, rows=tuple(rows)) if in_batch else Insert(tuple(rows))
        await self._store.apply([(insert,)], at)
        claim, at = Claim(OWNER, 2 * len(rows), frozenset(self._shape.names), {}, {}), at + MICROSECONDS
        while claimed := (await self._store.apply([(claim,)], at)).answers[0].jobs:
            ends = list(map(self._end, claimed, [at] * len(claimed)))
            at += MICROSECONDS
            await self._store.apply([(end,) for end in ends], at)
            for end in ends:
                self._gathered.add(end, 0.02 + end.id % 97 / 50, at)
        hour = hour_of(at)
        if (figures := self._gathered.write(hour, at)) is not None:
            await self._store.apply([(figures,)], at)
        self._gathered = Gathered()

    def _rows(self, first: int, end: int, at: int) -> Iterator[NewJob]:
        names = self._shape.names
        for n in range(first, end):
            payload = {
                "user_id": RARE_USER if n % 50_000 == 4_321 else 1_000 + n * 7919 % 50_000,
                "email": f"user{n}@example.com",
                "url": f"https://example.com/hooks/{n % 50}",
                "text": "Your report of the last month is ready. It has 12 pages, and is kept for 30 days.",
            }
            label = f"order-{n}" if self._shape.has_labels_of_their_own else f"region-{n % 10}" if n % 3 == 0 else None
            metadata = json.dumps({"tenant": f"acme-{n % _TENANTS}", "trace": f"{n:032x}"}) if n % 5 == 0 else None
            name = names[n * 31 % 97 % len(names)]
            yield NewJob(name, json.dumps(payload), n % 10 % 3, at, 5, at, label=label, metadata=metadata)

    def _kept(self, n: int, row: NewJob) -> NewJob:
        """A job that waits: of ten seven are due later, two now, and one waits in its lane."""
        if n % 10 < 7:
            return row._replace(scheduled_at=self._now + n * 1_000 % _DAY)
        if n % 10 < 9:
            return row
        keys = [(LIMIT, f"acme-{n % _TENANTS}")]
        return row._replace(lane=lane_text(row.type, row.priority, keys, is_ordered=False))

    def _end(self, job: Claimed, at: int) -> End:
        """How an attempt ends: by the id of its job."""
        token, n = (job.id, job.attempt, OWNER, job.type), job.id
        failure = _RARE if n % 250_000 == 101 else _ERRORS[n % 7 % 3]
        if self._shape.status is Status.DEAD or n % 200 == 1:
            return Close(*token, Outcome.FAILED, Status.DEAD, "attempts used up", failure)
        if n % 500 == 3:
            return Close(*token, Outcome.CANCELLED, Status.CANCELLED, "the order was withdrawn")
        if n % 50 == 7 and job.attempt == 1:
            return Again(*token, Outcome.FAILED, at, failure=failure)
        if n % 2_000 == 11:
            return Again(*token, Outcome.SUSPENDED, at, refund=True, held=Held.EVENT)
        return Complete(*token, json.dumps({"status": 200, "latency": 0.12}) if n % 4 == 0 else None)

    def _events(self, first: int, end: int) -> Iterator[NewEvent]:
        for n in range(first, end):
            yield NewEvent(
                f"user/{('signed.up', 'left', 'paid')[n % 3]}", json.dumps({"user_id": n}), self._now - SINCE + n
            )
