"""A handler that does not stop when it is asked to."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiojobs_lite import JobHandle, JobRunner, job
from tests.helpers.waiting import until


@asynccontextmanager
async def stuck(runner: JobRunner) -> AsyncIterator[JobHandle[None]]:
    """A job of the type `deaf`, whose thread goes on after a cancel until the block ends. The runner has no grace."""
    entered, release = threading.Event(), threading.Event()

    @job
    def deaf() -> None:
        entered.set()
        release.wait()

    await runner.types.add(deaf)
    handle = await runner.enqueue(deaf)
    try:
        await until(entered.is_set)
        await handle.cancel()
        await until(lambda: runner.stats().stuck == 1)
        yield handle
    finally:
        release.set()
