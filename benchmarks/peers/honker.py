"""honker on SQLite: decorated tasks and its own workers, and beside them a bare loop over its batches."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import honker

from benchmarks.peers.child import SLOTS, Order, ThreadPeer, main


class Honker(ThreadPeer):
    """A call of a task enqueues it, then 100 workers on an event loop claim one job each, again and again."""

    def __init__(self, order: Order) -> None:
        super().__init__(order)
        self._database = honker.open(str(order.path))
        self._queue = self._database.queue("benchmark")
        self._noop = self._queue.task(name="noop", store_result=False)(self.noop)

    @contextmanager
    def producing(self) -> Iterator[None]:
        """Open for `enqueue`, with no worker."""
        yield

    def enqueue(self, n: int) -> object:
        """Makes job `n` durable."""
        return self._noop(n)

    def work(self) -> None:
        """In the way that the variant names."""
        if self.order.durability == "batches":
            self._work_in_batches()
        else:
            asyncio.run(self._work())
        self._database.close()

    async def _work(self) -> None:
        enough = asyncio.Event()
        self.clock.start()
        working = asyncio.create_task(self._database.run_workers(concurrency=SLOTS, stop_event=enough))
        await self.tally.finished()
        enough.set()
        await working

    def _work_in_batches(self) -> None:
        """No worker at all, but what its documentation advises for throughput: 100 claims, 100 acknowledgements."""
        self.clock.start()
        while jobs := self._queue.claim_batch("worker", SLOTS):
            for job in jobs:
                self.tally(*job.payload["__honker_task__"]["args"])
            self._queue.ack_batch([job.id for job in jobs], "worker")

    async def noop(self, n: int) -> None:
        """A job like any other."""
        self.tally(n)


if __name__ == "__main__":
    main(Honker)
