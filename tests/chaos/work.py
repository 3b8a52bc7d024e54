"""What the handlers and callers of a run share: how an attempt and an enqueue are noted."""

from __future__ import annotations

import itertools
import mmap
import os
import random
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, cast, get_args

from aiojobs_lite import Backoff, JobContext, JobRunner, injected, job
from aiojobs_lite.errors import KeyReused
from aiojobs_lite.runner.batches import BatchHandle
from aiojobs_lite.testing.probe import claimed_of
from tests.chaos.journal import Journal

Version = Literal["old", "new"]
Kinds = Literal["all", "plain", "durable"]
VERSIONS: Final[tuple[Version, ...]] = get_args(Version)
KINDS: Final[tuple[Kinds, ...]] = get_args(Kinds)
LIMITS: Final = {"old": 3, "new": 2}  # of the limited type, by version
EVERY: Final = {"old": 2, "new": 3}  # seconds between two ticks of the schedule that the versions differ in
NOT_YET, NEVER, STOPPED = "not yet", "never", "stopped"
RAISED: Final = frozenset({f"ValueError: {NOT_YET}", f"ValueError: {NEVER}", f"RuntimeError: {STOPPED}"})
"""What handlers raise, as it is stored."""
SHORT = Backoff(base=0.02, cap=0.3)
_numbers = itertools.count()


class Flag:
    """A flag that all processes share that are forked after it was made."""

    def __init__(self) -> None:
        self._shared = mmap.mmap(-1, 1)

    def __bool__(self) -> bool:
        return self._shared[0] != 0

    def set(self) -> None:
        """Sets it for good."""
        self._shared[0] = 1


@dataclass
class Work:
    """What the handlers and callers of one process share."""

    journal: Journal
    chance: random.Random
    database: Path
    version: Version = "old"
    runner: JobRunner = field(init=False)
    known: list[int] = field(default_factory=list)

    async def enqueue(
        self, what: Any, *arguments: Any, key: str | None = None, into: BatchHandle | None = None,
        by: JobContext | None = None,
    ) -> int | None:  # fmt: skip
        """Enqueues one job under a name of its own, perhaps into a batch or by a context, and notes before and after;
        returns its id if it is a new one.
        """
        call = self._called(1, key, into)
        configured = what if key is None else what.using(idempotency_key=key)
        try:
            handle = await (into or by or self.runner).enqueue(configured, call, *arguments)
        except KeyReused as known:  # each call has arguments of its own: the job of the first one is named
            self._acknowledged(call, [cast("int", known.job_id)], [False])
            return None
        self._acknowledged(call, [handle.id], [handle.is_new])
        return handle.id

    async def enqueue_many(self, count: int, into: BatchHandle | None = None) -> None:
        """The same with many in one transaction."""
        call = self._called(count, None, into)
        handles = await (into or self.runner).enqueue_many([quick.bind(call) for _ in range(count)])
        self._acknowledged(call, [handle.id for handle in handles], [handle.is_new for handle in handles])

    async def enqueue_in(self, what: Any, *arguments: Any) -> None:
        """The same in a transaction of a connection of the program's own, after one that is rolled back."""
        call = self._called(1, None)
        with closing(sqlite3.connect(self.database)) as connection:
            try:
                await self.runner.enqueue_in(connection, what, f"{call}, which was rolled back", *arguments)
                connection.rollback()
                handle = await self.runner.enqueue_in(connection, what, call, *arguments)
                connection.commit()
            except sqlite3.OperationalError:  # of unknown outcome, as an error of the library
                return
        self._acknowledged(call, [handle.id], [handle.is_new])

    async def debounce(self, what: Any, key: int) -> None:
        """Enqueues a job that may take the place of an earlier one with its key, and notes before and after."""
        call = self._name()
        self.journal.note("debouncing", call=call, key=key)
        handle = await self.runner.enqueue(what, call, key)
        self.journal.note("debounced", call=call, job=handle.id)

    async def send(self, event: str, data: dict[str, int], key: str | None = None) -> None:
        """Sends an event under a name of its own, or one that is given, and notes before and after."""
        key = key or f"call {self._name()}"
        self.journal.note("sending", key=key)
        sent = await self.runner.send(event, data, id=key)
        self.journal.note("sent", key=key, is_new=sent.is_new)

    def _called(self, jobs: int, key: str | None, into: BatchHandle | None = None) -> str:
        call = self._name()
        batch = {} if into is None else {"batch": into.id}
        self.journal.note("called", call=call, jobs=jobs, key=key, **batch)
        return call

    def _name(self) -> str:
        return f"{self.journal.writer}.{next(_numbers)}"

    def _acknowledged(self, call: str, jobs: list[int], new: list[bool]) -> None:
        self.journal.note("acknowledged", call=call, jobs=jobs, new=new)
        self.known = [*self.known, *jobs][-50:]


class Run:
    """One attempt: notes its begin and, however it ends, its end. Its result names it. What a handler forks may leave
    it, and notes nothing.

    Args:
        journal: Where.
        ctx: Of the attempt.
        facts: What is noted with its begin.

    Attributes:
        name: Its name in the journal.
        result: What its handler returns.
    """

    def __init__(self, journal: Journal, ctx: JobContext, **facts: object) -> None:
        self._journal = journal
        self._pid = os.getpid()
        self.result = f"{claimed_of(ctx).owner}:{ctx.attempt}"
        self.name = f"{journal.writer}.{self._pid}.{next(_numbers)}"
        self._facts = {
            "job": ctx.id, "attempt": ctx.attempt, "owner": claimed_of(ctx).owner, "type": ctx.type, "run": self.name,
        } | facts  # fmt: skip

    def __enter__(self) -> Run:
        self._journal.note("begun", **self._facts)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if os.getpid() == self._pid:
            self._journal.note("ended", run=self.name, how="returned" if kind is None else kind.__name__)

    def going(self) -> None:
        """A sign of life."""
        self._journal.note("going", run=self.name)


@job(backoff=SHORT)
async def quick(call: str, *, ctx: JobContext = injected, work: Work = injected) -> str:
    with Run(work.journal, ctx) as run:
        return run.result
