"""tinyjobs on SQLite: its asyncio interface and its worker in the same process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import tinyjobs
from tinyjobs.backends.sqlite import connection

from benchmarks.peers.child import SLOTS, AsyncPeer, Order, main


class TinyJobs(AsyncPeer):
    """`aenqueue`, then a worker of 100 slots; a claim takes as many jobs as there are free slots."""

    def __init__(self, order: Order) -> None:
        super().__init__(order)
        if order.durability == "full":  # there is no option for it
            module: Any = connection
            module.FILE_PRAGMAS = ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL")
        self._app = tinyjobs.TinyJobs(f"sqlite:///{order.path}")
        self._noop = self._app.task(self.noop, name="noop")

    @asynccontextmanager
    async def producing(self) -> AsyncIterator[None]:
        """Open for `enqueue`, with no worker."""
        await self._app.ready()
        try:
            yield
        finally:
            await self._app.aclose()

    async def enqueue(self, n: int) -> object:
        """Makes job `n` durable."""
        return await self._noop.aenqueue(n)

    async def work(self) -> None:
        """Without the scheduler and the signal handlers; it polls only when the queue is empty."""
        await self._app.ready()
        worker = self._app.worker(concurrency=SLOTS, scheduler=False, handle_signals=False)
        self.clock.start()
        working = asyncio.create_task(worker.start())
        await self.tally.finished()
        worker.stop()
        await working
        await self._app.aclose()

    async def noop(self, n: int) -> None:
        """A job like any other."""
        self.tally(n)


if __name__ == "__main__":
    main(TinyJobs)
