"""An open store for callers without an event loop: the loop is that of a thread of its own."""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Coroutine
from typing import Any, Final, TypeVar

from aiojobs_lite.errors import ClientClosed, StoreUnavailable, WrongEventLoop
from aiojobs_lite.model.queries import GetDatabaseId, Query
from aiojobs_lite.model.writes import Write
from aiojobs_lite.origin import Origin
from aiojobs_lite.stores.base import Owners, Store

A = TypeVar("A")
T = TypeVar("T")
_LONGEST_CLOSE_S: Final = 10.0  # that a close, or the end of the process, waits for calls in flight


class Session:
    """A store that is open from the construction until `close`, for all threads of this process.

    The thread is a daemon: a process ends without it. In a process that is forked the copy is left alone, with all
    that it holds: the thread's frames hold the store, so that no copy of its connections is ever closed there.

    Args:
        store: Is opened.

    Attributes:
        database: The random id of the database.

    Raises:
        StoreRefused: If it cannot be used.
        StoreUnavailable: If it cannot be used now, or no thread can be started.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._origin = Origin()
        self._lock = threading.RLock()  # a signal handler may call while its thread holds it
        self._is_closing = False
        self._loop: asyncio.AbstractEventLoop | None = None  # while the thread serves
        self._opened: concurrent.futures.Future[str] = concurrent.futures.Future()
        self._thread = threading.Thread(target=self._run, name="aiojobs_lite client", daemon=True)
        try:
            self._thread.start()
        except RuntimeError as error:
            raise StoreUnavailable("NO_THREAD", str(error)) from error
        try:
            self.database = self._opened.result()
        except BaseException:
            self.close()  # of a caller that was interrupted, too
            raise

    def write(self, write: Write[A], now: int) -> A:
        """Makes a write durable; see `Store.apply`.

        Raises:
            ClientClosed: If it was closed before.
        """
        return self._wait_for(self._write(write, now))

    def ask(self, query: Query[A]) -> A:
        """See `Store.ask`.

        Raises:
            ClientClosed: If it was closed before.
        """
        return self._wait_for(self._store.ask(query))

    def acquire(self, owner: str) -> Owners:
        """Shows that this process lives, as an owner; returns what gives that up, perhaps after the store was closed.

        Raises:
            StoreError: If it cannot be shown.
            ClientClosed: If it was closed before.
        """
        owners = self._store.owners
        self._wait_for(owners.acquire(owner, lost=_ignore, regained=_ignore))
        return owners

    def close(self) -> None:
        """Closes the store after the calls in flight, and waits for that. May be called twice, and by any thread."""
        if self._origin.is_left:
            return  # it is a copy: all of it belongs to the first process
        with self._lock:
            self._is_closing = True
            if self._loop is not None:
                self._loop.call_soon_threadsafe(self._stop.set)
        if threading.current_thread() is not self._thread:  # the collector may run there
            self._thread.join(_LONGEST_CLOSE_S)

    def _wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        with self._lock:
            if self._is_closing or self._loop is None:
                work.close()
                raise ClientClosed
            future = asyncio.run_coroutine_threadsafe(work, self._loop)
        return future.result()  # a caller that is interrupted leaves it to be carried out

    async def _write(self, write: Write[A], now: int) -> A:
        async with self._writing:
            applied = await self._store.apply([(write,)], now)
        answer: A = applied.answers[0]
        return answer

    # On the thread.

    def _run(self) -> None:
        try:
            runner = asyncio.Runner(debug=False).__enter__()
        except OSError as error:  # no descriptor is left for an event loop
            self._opened.set_exception(StoreUnavailable("NO_THREAD", str(error)))
            return
        with runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        store = self._store
        self._stop, self._writing = asyncio.Event(), asyncio.Lock()
        try:
            await store.open()
            database = await store.ask(GetDatabaseId())
        except Exception as error:  # noqa: BLE001  # it is raised in the caller
            try:
                await store.close()
            finally:
                self._opened.set_exception(error)
            return
        with self._lock:
            self._loop = asyncio.get_running_loop()
            if self._is_closing:
                self._stop.set()
        self._opened.set_result(database)
        await self._stop.wait()
        self._loop = None
        while calls := asyncio.all_tasks() - {asyncio.current_task()}:
            await asyncio.wait(calls)
        await store.close()


def _ignore() -> None:
    """A client runs nothing that others could run as well."""


def refuse_loop() -> None:
    """Checks that the caller is in no event loop, which a client would block.

    Raises:
        WrongEventLoop: If it is in one.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise WrongEventLoop(
        "a JobClient was used inside an event loop, which it would block. Use `await runner.enqueue(...)` of a "
        "JobRunner(..., max_running=0), or `await asyncio.to_thread(client.enqueue, ...)`."
    )
