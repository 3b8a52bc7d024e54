"""Durable functions of DBOS on SQLite: workflows of three steps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dbos import DBOS, DBOSConfig

from benchmarks.peers.child import Order, StepsPeer, main, pragmas_of_every_connection


class DbosFunctions(StepsPeer):
    """Workflows that their callers await, which is quicker than a queue: nothing polls."""

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

        async def step(n: int) -> int:
            return n

        steps = [DBOS.step(name=name)(step) for name in self.steps]

        async def function(n: int) -> int:
            for one in steps:
                n = await one(n)
            self.tally(n)
            return n

        self._function = DBOS.workflow(name="function")(function)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Open for functions."""
        DBOS(config=self._config)
        DBOS.listen_queues([])
        await asyncio.to_thread(DBOS.launch)
        try:
            yield
        finally:
            await asyncio.to_thread(DBOS.destroy)

    async def call(self, n: int) -> object:
        """Runs function `n`."""
        return await self._function(n)


if __name__ == "__main__":
    main(DbosFunctions)
