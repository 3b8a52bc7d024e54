"""DBOS on SQLite: empty workflows on a queue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from dbos import DBOS, DBOSConfig

from benchmarks.peers.child import SLOTS, AsyncPeer, Order, main, pragmas_of_every_connection

_QUEUE: Final = "benchmark"


class Dbos(AsyncPeer):
    """`enqueue_workflow_async`, then the queue's own worker of 100 slots."""

    def __init__(self, order: Order) -> None:
        super().__init__(order)
        if order.durability == "normal":
            pragmas_of_every_connection("WAL", "NORMAL")
        self._config: DBOSConfig = {
            "name": "benchmark",
            "system_database_url": f"sqlite:///{order.path}",
            "application_version": "1",
            "log_level": "CRITICAL",
        }

        async def noop(n: int) -> None:
            self.tally(n)

        self._noop = DBOS.workflow(name="noop")(noop)

    @asynccontextmanager
    async def producing(self) -> AsyncIterator[None]:
        """Open for `enqueue`, with no worker."""
        DBOS(config=self._config)
        DBOS.listen_queues([])
        await asyncio.to_thread(DBOS.launch)
        await DBOS.register_queue_async(_QUEUE, worker_concurrency=SLOTS, polling_interval_sec=0.01)
        try:
            yield
        finally:
            await asyncio.to_thread(DBOS.destroy)

    async def enqueue(self, n: int) -> object:
        """Makes job `n` durable."""
        return await DBOS.enqueue_workflow_async(_QUEUE, self._noop, n)

    async def work(self) -> None:
        """It polls; launching it starts its worker."""
        DBOS(config=self._config)
        self.clock.start()
        await asyncio.to_thread(DBOS.launch)
        await self.tally.finished()
        await asyncio.to_thread(lambda: DBOS.destroy(workflow_completion_timeout_sec=1))


if __name__ == "__main__":
    main(Dbos)
