"""`OpenedDatabase`: the database of running applications, opened beside them to look at it and to act on it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import AsyncExitStack
from typing import Final, Literal

from aiojobs_lite.clock import Clock
from aiojobs_lite.engine.resources import Resources
from aiojobs_lite.errors import StoreUnavailable
from aiojobs_lite.handlers.group import JobSource
from aiojobs_lite.logs import get_log
from aiojobs_lite.model.queries import GetDatabaseId
from aiojobs_lite.runner.opening import database_or_default, store_of_start
from aiojobs_lite.runner.runner import JobRunner
from aiojobs_lite.stores.base import Store
from aiojobs_lite.stores.open import Database, open_store

_log = get_log("store")
_PAUSE_S: Final = 1.0  # between two tries to read the counts


class OpenedDatabase(JobRunner):
    """A runner of a database that is there, which is no owner: `async with OpenedDatabase("app.db") as opened:`.

    It has all parts of a runner. It claims, rescues and prunes nothing, and fires no tick; the runners of the database
    do that as they would without it. The file is neither made nor migrated. What polls or waits for a change (`watch`,
    `handle.result`) is not served.

    Args:
        database: As `JobRunner` takes it, but for a store.
        opening: `look`: nothing is written; `act`: what is called is.
        jobs: The job types that can be enqueued.
        clock: The time; tests give a fake one.

    Raises:
        ConfigurationError: If an option or a job type cannot work.
        StoreRefused: If `database` is a URL that no store knows.
    """

    def __init__(
        self,
        database: Database | None = None,
        *,
        opening: Literal["act", "look"] = "look",
        jobs: Iterable[JobSource] = (),
        clock: Clock | None = None,
    ) -> None:
        store = open_store(database_or_default(database), "full", opening)
        super().__init__(store, jobs=jobs, max_running=0, clock=clock)
        self._closing = AsyncExitStack()

    async def _start(self, resources: Resources) -> None:
        store = store_of_start(self._database, self._durability)
        engine = self._wire(store, resources)
        async with AsyncExitStack() as closing:
            closing.push_async_callback(store.close)
            await store.open()
            engine.identity.database = await store.ask(GetDatabaseId())
            for name, work in (("commits", engine.commits.run()), ("counts", _keep_counts(store))):
                task = asyncio.create_task(work, name=f"aiojobs_lite {name}")
                closing.push_async_callback(_end, task)
            closing.callback(engine.commits.close)
            self._closing = closing.pop_all()
        self._access.open(engine)

    async def stop(self) -> None:
        """Closes the database. May be called twice."""
        self._access.close()
        await self._closing.aclose()


async def _keep_counts(store: Store) -> None:
    """Has the counts of `stats()` follow what other processes commit."""
    while True:
        try:
            async for _ in store.changes():
                pass
        except StoreUnavailable as error:
            _log.debug("the counts cannot be read: %s", error)
        await asyncio.sleep(_PAUSE_S)


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])
