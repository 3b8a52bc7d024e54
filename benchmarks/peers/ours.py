"""aiojobs_lite, measured as its peers are."""

from __future__ import annotations

from typing import Literal, cast

from aiojobs_lite import JobRunner
from benchmarks.peers.child import SLOTS, AsyncPeer, Order, main


class Ours(AsyncPeer):
    """A runner that only enqueues, then another one that works."""

    def __init__(self, order: Order) -> None:
        super().__init__(order)
        self._runner = self._new_runner(0)
        self._noop = self._runner.job(self.noop)

    def producing(self) -> JobRunner:
        """Open for `enqueue`, with no worker."""
        return self._runner

    async def enqueue(self, n: int) -> object:
        """Makes job `n` durable."""
        return await self._runner.enqueue(self._noop, n=n)

    async def work(self) -> None:
        """The clock starts before the database is opened."""
        runner = self._new_runner(SLOTS)
        runner.job(self.noop)
        self.clock.start()
        async with runner:
            await self.tally.finished()
            await runner.run_until_idle()

    async def noop(self, n: int) -> None:
        """A job like any other."""
        self.tally(n)

    def _new_runner(self, slots: int) -> JobRunner:
        durability = cast('Literal["normal", "full"]', self.order.durability)
        return JobRunner(self.order.path, durability=durability, max_running=slots)


if __name__ == "__main__":
    main(Ours)
