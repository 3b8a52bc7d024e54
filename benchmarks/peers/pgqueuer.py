"""PgQueuer on PostgreSQL, with asyncpg and a pool of connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

import asyncpg
from pgqueuer import PgQueuer
from pgqueuer.db import AsyncpgPoolDriver
from pgqueuer.models import Job
from pgqueuer.queries import Queries

from benchmarks.peers.child import SLOTS, AsyncPeer, Order, main

_CONNECTIONS: Final = 10
_AT_ONCE: Final = 2 * SLOTS  # the least that it accepts with batches of 100; with batches of 50 it is slower


class PgQueuerPeer(AsyncPeer):
    """`enqueue`, then a worker."""

    def __init__(self, order: Order) -> None:
        super().__init__(order)
        self._queries: Queries | None = None

    @asynccontextmanager
    async def producing(self) -> AsyncIterator[None]:
        """Open for `enqueue`, with no worker."""
        async with self._new_pool() as pool:
            self._queries = Queries(AsyncpgPoolDriver(pool))
            await self._queries.install()
            yield

    async def enqueue(self, n: int) -> object:
        """Makes job `n` durable."""
        assert self._queries is not None
        return await self._queries.enqueue("noop", b"%d" % n)

    async def preload(self) -> None:
        """In one statement."""
        assert self._queries is not None
        count = len(self.jobs)
        await self._queries.enqueue(["noop"] * count, [b"%d" % n for n in self.jobs], [0] * count)

    async def work(self) -> None:
        """The worker records finished jobs in batches and takes the next jobs in batches."""
        async with self._new_pool() as pool:
            worker = PgQueuer.from_asyncpg_pool(pool)
            worker.entrypoint("noop")(self.noop)
            self.clock.start()
            working = asyncio.create_task(worker.run(batch_size=SLOTS, max_concurrent_tasks=_AT_ONCE))
            await self.tally.finished()
            worker.shutdown.set()
            await working

    async def noop(self, job: Job) -> None:
        """A job like any other."""
        assert job.payload is not None
        self.tally(int(job.payload))

    def _new_pool(self) -> asyncpg.Pool:
        return asyncpg.create_pool(self.order.url, min_size=_CONNECTIONS, max_size=_CONNECTIONS)


if __name__ == "__main__":
    main(PgQueuerPeer)
