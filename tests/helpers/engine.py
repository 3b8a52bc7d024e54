"""Short ways to make the parts of an engine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

from aiojobs_lite import JobRunner
from aiojobs_lite.clock import to_micros
from aiojobs_lite.engine.engine import Engine
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.handlers.registry import Registry
from aiojobs_lite.model.job import Claimed
from aiojobs_lite.stores.open import open_store
from aiojobs_lite.telemetry.bus import Bus
from aiojobs_lite.telemetry.facts import Fact
from aiojobs_lite.testing.clock import FakeClock
from aiojobs_lite.testing.probe import Probe
from tests.helpers.fault_store import Fault, FaultStore


def faulty(path: Path, *faults: Fault) -> FaultStore:
    """A real store for a runner, in which transactions go wrong as the test says."""
    return FaultStore(open_store(path, "normal"), *faults)


def engine_of(runner: JobRunner) -> Engine:
    """The engine that a runner has, or had last."""
    return Probe(runner).engine


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


def published_on(bus: Bus) -> Callable[[], list[Fact]]:
    """Takes what was published since it was last asked."""
    return bus.watch().take


def claimed(job_id: int, job_type: str, payload: str = "{}", *, attempt: int = 1, owner: str = "one") -> Claimed:
    """What a dispatcher hands to the executor."""
    now = to_micros(FakeClock().time)
    return Claimed(job_id, job_type, payload, 1, now, attempt, 5, now, now, 0, 0, 0, None, owner)


def names(events: Iterable[Fact]) -> list[str]:
    """The kinds of events."""
    return [type(event).__name__ for event in events]
