"""One SQLite connection on its own thread, where a function is called to its end whatever becomes of its caller."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

import aiosqlite

from aiojobs_lite.errors import StoreUnavailable
from aiojobs_lite.errors.store import CLOSED
from aiojobs_lite.logs import get_log
from aiojobs_lite.origin import Origin
from aiojobs_lite.stores.sqlite.file import BUSY_TIMEOUT_S, translated
from aiojobs_lite.stores.sqlite.forks import note_closed, note_open

_log = get_log("store")
T = TypeVar("T")
_OVERDUE_S = 0.004  # that a call may take before the event loop gives way to it
_LONGEST_WAIT_S = 0.1  # between two such moments
_STANDSTILL_S = 0.0005  # of the event loop, each time


class Connection:
    """A connection of aiosqlite that carries whole functions. Made by `connect`.

    The one place that uses private parts of aiosqlite: its public methods carry one statement each, and a
    transaction that takes several awaits can be cancelled half way.
    """

    def __init__(self, connection: aiosqlite.Connection, lock: threading.Lock, *, is_urgent: bool) -> None:
        self._connection = connection
        self._lock = lock
        self._is_urgent = is_urgent
        self._is_closed = False
        self._calls = 0
        self._help: asyncio.TimerHandle | None = None
        self._fault: Exception | None = None
        self._origin = Origin()

    @classmethod
    async def connect(cls, database: str, *, is_urgent: bool = True) -> Connection:
        """Opens a connection. Not to be cancelled: the native handle would be left open.

        Args:
            database: The path of the database.
            is_urgent: Whether the event loop gives way to a call that takes long.
        """
        connection = aiosqlite.connect(
            database, isolation_level=None, cached_statements=256, timeout=BUSY_TIMEOUT_S, check_same_thread=False
        )
        thread = connection._thread  # noqa: SLF001  # of aiosqlite
        thread.daemon = True  # a program that drops its event loop must end all the same
        lock = note_open(thread, database)
        try:
            return cls(await connection, lock, is_urgent=is_urgent)
        except sqlite3.Error:  # none was opened
            note_closed(thread)
            raise

    async def call(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Calls a function on the connection's thread, after all that were called before it.

        A caller that is cancelled waits for its end as well, and is cancelled after it.

        Raises:
            StoreError: What the function raised, translated.
            WrongEventLoop: In a process that was forked since: it has a copy, without the thread.
        """
        self._origin.check()
        if self._is_closed:
            raise closed()
        self._calls += 1
        if self._calls == 1 and self._is_urgent:
            self._help = asyncio.get_running_loop().call_later(_OVERDUE_S, self._give_way, _OVERDUE_S)
        try:
            return await self._carried(function)
        finally:
            self._calls -= 1
            if not self._calls and self._help is not None:
                self._help.cancel()

    def _give_way(self, waited: float) -> None:
        """Lets the connection's thread have the interpreter lock for a moment: it is overdue.

        Beside a busy event loop it may wait for seconds: each release of the lock wakes it, and is over before it
        comes. More seldom as it goes on, for then it is something else that it waits for.
        """
        time.sleep(_STANDSTILL_S)
        longer = min(2 * waited, _LONGEST_WAIT_S)
        self._help = asyncio.get_running_loop().call_later(longer, self._give_way, longer)

    async def _carried(self, function: Callable[[sqlite3.Connection], T]) -> T:
        execute: Callable[..., Coroutine[Any, Any, T]] = self._connection._execute  # noqa: SLF001  # of aiosqlite
        try:
            return await execute(self._called, function)
        except asyncio.CancelledError:
            with contextlib.suppress(ValueError):  # closed, then nothing is left to wait for
                await carry_out(execute(_nothing))
            if self._fault is not None:
                _log.warning("a cancelled call of the store failed: %s", self._fault)
            raise
        except (sqlite3.Error, OverflowError, UnicodeError) as error:
            raise translated(error) from error

    @property
    def is_free(self) -> bool:
        """Whether its thread has nothing to do, so that `call_inline` may be used."""
        return not self._calls and not self._is_closed

    def call_inline(self, function: Callable[[sqlite3.Connection], T]) -> T:
        """Calls a function at once, on the thread of the caller. Only while the connection is free."""
        self._origin.check()
        try:
            return self._called(function)
        except (sqlite3.Error, OverflowError, UnicodeError) as error:
            raise translated(error) from error

    async def close(self) -> None:
        """Closes it, after all that was called before."""
        self._is_closed = True
        if self._origin.is_left:  # the connection, its locks and its log are those of the first process
            return
        with contextlib.suppress(sqlite3.Error):  # logged by aiosqlite
            await self._connection.close()
        note_closed(self._connection._thread)  # noqa: SLF001  # of aiosqlite

    def _called(self, function: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._connection._conn  # noqa: SLF001  # of aiosqlite
        self._fault = None
        try:
            with self._lock:
                try:
                    return function(connection)
                except sqlite3.OperationalError as error:
                    if "decode to UTF-8" not in str(error):
                        raise
                connection.text_factory = _readable  # slower, and only once another program has written what is no text
                return function(connection)
        except Exception as error:
            self._fault = error
            raise


class SilentCall(partial[T]):
    """A call whose arguments no log shows: aiosqlite logs what it carries out, and payloads may be secret."""

    def __repr__(self) -> str:
        return f"<call of {self.func.__qualname__}>"


async def carry_out(work: Coroutine[Any, Any, T]) -> T:
    """Awaits work that goes on if the caller is cancelled; then waits for it as well, and is cancelled after it."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        while not task.done():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.wait([task])
        if not task.cancelled() and (error := task.exception()):
            _log.warning("a cancelled call of the store failed: %s", error)
        raise


async def call_of_caller(connection: aiosqlite.Connection, function: Callable[[sqlite3.Connection], T]) -> T:
    """Calls a function on the thread of a connection that belongs to a caller, as `Connection.call` does on its own.

    Raises:
        ValueError: If it is closed, or was never opened.
    """
    below = connection._conn  # noqa: SLF001  # of aiosqlite
    execute: Callable[..., Coroutine[Any, Any, T]] = connection._execute  # noqa: SLF001  # of aiosqlite
    return await carry_out(execute(function, below))


def closed() -> StoreUnavailable:
    """The error of a call that comes after the store was closed."""
    return StoreUnavailable(CLOSED, "the store is closed")


def _nothing() -> None:
    """Is called when everything before it has ended."""


def _readable(data: bytes) -> str:
    return data.decode(errors="backslashreplace")
