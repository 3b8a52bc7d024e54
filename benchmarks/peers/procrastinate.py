"""procrastinate on PostgreSQL, with psycopg and a pool of connections."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from procrastinate import App, PsycopgConnector

from benchmarks.peers.child import SLOTS, AsyncPeer, Order, main

_CONNECTIONS: Final = 10


class Procrastinate(AsyncPeer):
    """`defer_async`, then a worker of 100 slots."""

    def __init__(self, order: Order) -> None:
        super().__init__(order)
        self._app = self._new_app()
        self._noop = self._app.task(name="noop")(self.noop)

    @asynccontextmanager
    async def producing(self) -> AsyncIterator[None]:
        """Open for `enqueue`, with no worker."""
        async with self._app.open_async():
            await self._app.schema_manager.apply_schema_async()
            yield

    async def enqueue(self, n: int) -> object:
        """Makes job `n` durable."""
        return await self._noop.defer_async(n=n)

    async def preload(self) -> None:
        """In one statement."""
        payloads: list[dict[str, Any]] = [{"n": n} for n in self.jobs]
        await self._noop.batch_defer_async(*payloads)

    async def work(self) -> None:
        """It ends when the queue is empty and all is recorded."""
        app = self._new_app()
        app.task(name="noop")(self.noop)
        async with app.open_async():
            self.clock.start()
            working = app.run_worker_async(concurrency=SLOTS, wait=False, install_signal_handlers=False)
            await asyncio.gather(working, self.tally.finished())

    async def noop(self, n: int) -> None:
        """A job like any other."""
        self.tally(n)

    def _new_app(self) -> App:
        connector = PsycopgConnector(conninfo=self.order.url, min_size=_CONNECTIONS, max_size=_CONNECTIONS)
        return App(connector=connector)


if __name__ == "__main__":
    main(Procrastinate)
