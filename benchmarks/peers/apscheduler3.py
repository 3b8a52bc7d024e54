"""APScheduler 3 on SQLite through SQLAlchemy: one-off jobs with the date trigger."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from apscheduler.jobstores.sqlalchemy import SQLAlchemyJobStore
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.schedulers.background import BackgroundScheduler

from benchmarks.peers.child import Measured, Order, Tally, ThreadPeer, main, pragmas_of_every_connection

_DEFAULTS: Final = {"misfire_grace_time": None}  # or jobs that are late by a second would be skipped
_tallies: list[Tally] = []


async def noop(n: int) -> None:
    """A job like any other; the job store keeps its name, so it stands in the module."""
    _tallies[-1](n)


class APScheduler3(ThreadPeer):
    """`add_job` to a paused scheduler, then the asyncio scheduler, which starts all due jobs at once."""

    def __init__(self, order: Order) -> None:
        super().__init__(order)
        if order.durability == "normal":
            pragmas_of_every_connection("WAL", "NORMAL")
        self._stores = {"default": SQLAlchemyJobStore(url=f"sqlite:///{order.path}")}
        self._scheduler = BackgroundScheduler(jobstores=self._stores, job_defaults=_DEFAULTS)
        _tallies.append(self.tally)

    @contextmanager
    def producing(self) -> Iterator[None]:
        """Open for `enqueue`, with no worker; stays paused, since its shutdown would look at the jobs once more."""
        self._scheduler.start(paused=True)
        yield

    def enqueue(self, n: int) -> object:
        """Makes job `n` durable, due at once."""
        return self._scheduler.add_job(noop, args=[n])

    def work(self) -> None:
        """Runs on an event loop of its own."""
        asyncio.run(self._work())

    async def _work(self) -> None:
        stores = {"default": SQLAlchemyJobStore(url=f"sqlite:///{self.order.path}")}
        scheduler = AsyncIOScheduler(jobstores=stores, job_defaults=_DEFAULTS)
        self.clock.start()
        scheduler.start()
        await self.tally.finished()
        scheduler.shutdown()


def peer(order: Order) -> Measured:
    """For `main`."""
    return APScheduler3(order)


if __name__ == "__main__":
    main(peer)
