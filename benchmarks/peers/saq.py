"""SAQ on Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from saq import Queue, Worker

from benchmarks.peers.child import SLOTS, AsyncPeer, Order, main


class Saq(AsyncPeer):
    """`enqueue`, then a worker of 100 slots."""

    def __init__(self, order: Order) -> None:
        super().__init__(order)
        self._queue = self._new_queue()

    @asynccontextmanager
    async def producing(self) -> AsyncIterator[None]:
        """Open for `enqueue`, with no worker."""
        await self._queue.connect()
        try:
            yield
        finally:
            await self._queue.disconnect()

    async def enqueue(self, n: int) -> object:
        """Makes job `n` durable."""
        return await self._queue.enqueue("noop", n=n)

    async def work(self) -> None:
        """Each of its 100 slots waits for Redis to hand it a job: nothing is polled."""
        queue = self._new_queue()
        await queue.connect()
        worker = Worker(queue, functions=[("noop", self.noop)], concurrency=SLOTS)
        self.clock.start()
        working = asyncio.create_task(worker.start())
        await self.tally.finished()
        await worker.stop()
        await working
        await queue.disconnect()

    async def noop(self, _context: object, *, n: int) -> None:
        """A job like any other."""
        self.tally(n)

    def _new_queue(self) -> Queue:
        return Queue.from_url(self.order.url, max_concurrent_ops=SLOTS)


if __name__ == "__main__":
    main(Saq)
