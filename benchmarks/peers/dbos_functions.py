"""Durable functions of DBOS on SQLite: workflows of three steps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from dbos import DBOS, DBOSConfig

from benchmarks.peers.child import (
    AWAITED_FUNCTIONS,
    SLOTS,
    Order,
    StepsPeer,
    main,
    pragmas_of_every_connection,
)

_QUEUE: Final = "benchmark"


class DbosFunctions(StepsPeer):
    """Workflows on a queue with `worker_concurrency=100`, its own way to run so many at a time; or workflows that their
    callers await, which no queue is asked for.
    """

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
        if self.order.workload == AWAITED_FUNCTIONS:
            DBOS.listen_queues([])
        await asyncio.to_thread(DBOS.launch)
        if self.order.workload != AWAITED_FUNCTIONS:
            await DBOS.register_queue_async(_QUEUE, worker_concurrency=SLOTS, polling_interval_sec=0.01)
        try:
            yield
        finally:
            await asyncio.to_thread(lambda: DBOS.destroy(workflow_completion_timeout_sec=1))

    async def enqueue(self, n: int) -> object:
        """Makes function `n` durable."""
        return await DBOS.enqueue_workflow_async(_QUEUE, self._function, n)

    async def call(self, n: int) -> object:
        """Runs function `n`."""
        return await self._function(n)


if __name__ == "__main__":
    main(DbosFunctions)
