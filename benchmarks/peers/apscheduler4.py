"""APScheduler 4 (alpha) on SQLite through SQLAlchemy."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from apscheduler import AsyncScheduler
from apscheduler.datastores.sqlalchemy import SQLAlchemyDataStore

from benchmarks.peers.child import SLOTS, AsyncPeer, Order, Tally, main, pragmas_of_every_connection

_tallies: list[Tally] = []


async def noop(n: int) -> None:
    """A job like any other; the data store keeps its name, so it stands in the module."""
    _tallies[-1](n)


class APScheduler4(AsyncPeer):
    """`add_job`, then a scheduler that runs at most 100 jobs at once, which is its default."""

    def __init__(self, order: Order) -> None:
        super().__init__(order)
        if order.durability == "normal":
            pragmas_of_every_connection("WAL", "NORMAL")
        self._scheduler: AsyncScheduler | None = None
        _tallies.append(self.tally)

    @asynccontextmanager
    async def producing(self) -> AsyncIterator[None]:
        """Open for `enqueue`, with no worker."""
        async with self._new_scheduler() as self._scheduler:
            await self._scheduler.configure_task(noop)
            yield

    async def enqueue(self, n: int) -> object:
        """Makes job `n` durable."""
        assert self._scheduler is not None
        return await self._scheduler.add_job(noop, args=[n])

    async def work(self) -> None:
        """In the same process, on the same event loop."""
        async with self._new_scheduler() as scheduler:
            self.clock.start()
            await scheduler.start_in_background()
            await self.tally.finished()
            await scheduler.stop()
            await scheduler.wait_until_stopped()

    def _new_scheduler(self) -> AsyncScheduler:
        store = SQLAlchemyDataStore(f"sqlite+aiosqlite:///{self.order.path}")
        return AsyncScheduler(store, max_concurrent_jobs=SLOTS)


if __name__ == "__main__":
    main(APScheduler4)
