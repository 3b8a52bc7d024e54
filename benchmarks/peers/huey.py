"""huey on SQLite: its blocking interface and its consumer with worker threads."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from huey import SqliteHuey
from huey.consumer import Consumer

from benchmarks.peers.child import Order, ThreadPeer, main

_WORKERS: Final = 10  # its fastest number for empty jobs: tried were 1, 2, 4, 10 and 100
_OPTIONS: Final[dict[str, dict[str, bool]]] = {"default": {}, "normal": {"fsync": False}}


class Huey(ThreadPeer):
    """Tasks without results, as huey advises for those that nobody waits for."""

    def __init__(self, order: Order) -> None:
        super().__init__(order)
        self._huey = SqliteHuey(filename=str(order.path), results=False, **_OPTIONS[order.durability])
        self._noop = self._huey.task(name="noop")(self.tally)

    @contextmanager
    def producing(self) -> Iterator[None]:
        """Open for `enqueue`, with no worker."""
        yield
        self._huey.storage.close()

    def enqueue(self, n: int) -> object:
        """Makes job `n` durable."""
        return self._noop(n)

    def work(self) -> None:
        """The consumer runs in this process, without periodic tasks."""
        consumer = Consumer(self._huey, workers=_WORKERS, periodic=False, initial_delay=0.001, max_delay=0.01)
        self.clock.start()
        consumer.start()
        self.tally.wait()
        consumer.stop(graceful=True)


if __name__ == "__main__":
    main(Huey)
