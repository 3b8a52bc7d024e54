"""Stores that fail when they are told to, and short ways to make the parts of an engine."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite.clock import to_micros
from aiojobs_lite.errors import StoreError, StoreUnavailable
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.handlers.registry import Registry
from aiojobs_lite.model.job import Claimed, Job
from aiojobs_lite.model.writes import Write
from aiojobs_lite.stores.base import Applied, JobFilter
from aiojobs_lite.stores.sqlite.store import SqliteStore
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import Fact
from aiojobs_lite.testing.clock import FakeClock

FULL = StoreUnavailable("SQLITE_FULL", "database or disk is full")


class Scripted:
    """In place of a store, for the committer: follows a script, then works. The answer to a write names it.

    Attributes:
        script: One step for each transaction to come: the error it ends with, or None.
        poison: Writes with the error that every transaction of theirs ends with.
        gate: Transactions wait for it to be set.
        tried: The writes of each transaction that was begun.
        saved: The writes of each one that was committed.
    """

    def __init__(self, *script: Exception | None) -> None:
        self.script = deque(script)
        self.poison: list[tuple[Write, StoreError]] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.tried: list[list[Write]] = []
        self.saved: list[list[Write]] = []

    async def apply(self, writes: Sequence[Write], _now: int) -> Applied:
        self.tried.append(list(writes))
        await asyncio.sleep(0)  # a real one hops to a thread
        await self.gate.wait()
        error = self.script.popleft() if self.script else None
        error = error or next((error for write, error in self.poison if write in writes), None)
        if error is not None:
            raise error
        self.saved.append(list(writes))
        return Applied([f"saved {write}" for write in writes], {}, changed=False)

    def apply_at_once(self, _writes: Sequence[Write], _now: int) -> None:
        """Never."""


class Faulty(SqliteStore):
    """A real store that fails where the test says.

    Attributes:
        fault: Asked before each transaction for the error it ends with, or None.
        read_fault: The same for each `find`.
        tries: How many transactions were begun.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path, "normal")
        self.fault: Callable[[Sequence[Write]], Exception | None] = lambda writes: None
        self.read_fault: Callable[[JobFilter], Exception | None] = lambda which: None
        self.tries = 0

    def apply_at_once(self, writes: Sequence[Write], now: int) -> None:
        """Never: a fault meets every transaction."""

    async def apply(self, writes: Sequence[Write], now: int) -> Applied:
        self.tries += 1
        error = self.fault(writes)
        if error is not None:
            raise error
        return await super().apply(writes, now)

    async def find(self, which: JobFilter) -> list[Job]:
        error = self.read_fault(which)
        if error is not None:
            raise error
        return await super().find(which)


def faulty(monkeypatch: pytest.MonkeyPatch, path: Path) -> Faulty:
    """A store that every runner started from now on gets."""
    store = Faulty(path)
    monkeypatch.setattr("aiojobs_lite.runner.runner.store_for", lambda _database, _durability: store)
    return store


def only(error: StoreError, *kinds: type[Any]) -> Callable[[Sequence[Write]], StoreError | None]:
    """A fault of the transactions that hold a write of one of these kinds."""
    return lambda writes: error if any(isinstance(write, kinds) for write in writes) else None


@asynccontextmanager
async def going(*parts: Callable[[], Awaitable[None]]) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Parts of the engine run for the block."""
    tasks = [asyncio.ensure_future(part()) for part in parts]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def registry_of(*job_types: JobType[..., Any]) -> Registry:
    """A registry with these job types."""
    registry = Registry()
    for job_type in job_types:
        registry.add(job_type)
    return registry


def heard(bus: Bus) -> Callable[[], list[Fact]]:
    """Takes what was published since it was last asked."""
    listener = bus.watch()

    def take() -> list[Fact]:
        events = list(listener._unread)
        listener._unread.clear()
        return events

    return take


def claimed(job_id: int, job_type: str, payload: str = "{}", *, attempt: int = 1, owner: str = "one") -> Claimed:
    """What a dispatcher hands to the executor."""
    now = to_micros(FakeClock().time)
    return Claimed(job_id, job_type, payload, 1, now, attempt, 5, now, now, 0, 0, 0, None, owner)


async def turns(count: int = 20) -> None:
    """Lets the event loop turn so often; to show that something does not happen."""
    for _ in range(count):
        await asyncio.sleep(0)


def names(events: Iterable[Fact]) -> list[str]:
    """The kinds of events."""
    return [type(event).__name__ for event in events]
