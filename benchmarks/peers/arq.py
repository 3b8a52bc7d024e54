"""arq on Redis."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

from arq import ArqRedis, Worker, create_pool, func
from arq.connections import RedisSettings

from benchmarks.peers.child import SLOTS, AsyncPeer, Order, main

_POLL_DELAY: Final = 0.01


class Arq(AsyncPeer):
    """`enqueue_job`, then a worker of 100 slots."""

    def __init__(self, order: Order) -> None:
        super().__init__(order)
        self._redis: ArqRedis | None = None

    @asynccontextmanager
    async def producing(self) -> AsyncIterator[None]:
        """Open for `enqueue`, with no worker."""
        self._redis = await create_pool(RedisSettings.from_dsn(self.order.url))
        try:
            yield
        finally:
            await self._redis.aclose()

    async def enqueue(self, n: int) -> object:
        """Makes job `n` durable."""
        assert self._redis is not None
        return await self._redis.enqueue_job("noop", n)

    async def work(self) -> None:
        """It polls; more often than every 0.5 s, its default, or it would take 200 jobs a second at most."""
        redis = await create_pool(RedisSettings.from_dsn(self.order.url))
        noop: Any = self.noop
        worker = Worker(
            [func(noop, name="noop")],
            redis_pool=redis,
            max_jobs=SLOTS,
            poll_delay=_POLL_DELAY,
            handle_signals=False,
        )
        self.clock.start()
        working = asyncio.create_task(worker.async_run())
        await self.tally.finished()
        await asyncio.gather(*worker.tasks.values())
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working
        await worker.close()

    async def noop(self, _context: object, n: int) -> None:
        """A job like any other."""
        self.tally(n)


if __name__ == "__main__":
    main(Arq)
