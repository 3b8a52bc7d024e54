"""Writes within a transaction that a caller has begun on a connection of its own, through the statements of the store.

Each call is one function call on the thread of the connection, in a savepoint. The counts are read anew in it, after
the lock of the writer was taken: the connection is one more owner of the file. The runners notice its commit as they
notice those of other processes.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import cache, partial
from pathlib import Path
from typing import Any, Final, TypeVar, cast

import aiosqlite

from aiojobs_lite.errors import StoreError, StoreRefused, StoreUnavailable, TransactionRefused
from aiojobs_lite.model.queries import Query
from aiojobs_lite.model.writes import Unit
from aiojobs_lite.stores.grouping import apply_units
from aiojobs_lite.stores.joining import driver_connection, driver_connection_blocking
from aiojobs_lite.stores.named_sql import migrations
from aiojobs_lite.stores.sqlite.connection import SilentCall, call_of_caller
from aiojobs_lite.stores.sqlite.counts import Ledger
from aiojobs_lite.stores.sqlite.file import BUSY_TIMEOUT_S, translated
from aiojobs_lite.stores.sqlite.forks import check_lock
from aiojobs_lite.stores.sqlite.phases import SqlitePhases
from aiojobs_lite.stores.sqlite.reads import READS
from aiojobs_lite.stores.sqlite.rows import Sql
from aiojobs_lite.stores.sqlite.schema import stored_version
from aiojobs_lite.stores.sqlite.transaction import MOST_ROWS, Transaction

A = TypeVar("A")
T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]
_RETRY_S: Final = 0.005  # between two looks at a lock that another connection has, or for a commit that is expected
_EXPECTED_S: Final = 0.5  # that a commit is expected for, after a job was written: transactions are short
_SAVEPOINT: Final = "aiojobs_lite"
_KINDS: Final = "a connection of sqlite3 or aiosqlite, or a connection or session of SQLAlchemy over one of them"


class SqliteJoining:
    """Implements `stores.base.Joining`.

    Args:
        path: The file.
        sql: The named queries.
        is_open: Says whether the store is open: then it may go on beside a newer release.
    """

    def __init__(self, path: Path, sql: Sql, is_open: Callable[[], bool]) -> None:
        self._path = path
        self._sql = sql
        self._is_open = is_open
        self._expected_until = 0.0  # by the monotonic clock
        self._sleeper: asyncio.Future[None] | None = None

    async def apply(self, connection: object, units: Sequence[Unit], now: int) -> list[Any]:
        """See `Joining.apply`."""
        answers = await self._carried(connection, SilentCall(self._apply, units, now))
        self._expect()
        return answers

    async def ask(self, connection: object, query: Query[A]) -> A:
        """See `Joining.ask`."""
        return await self._carried(connection, partial(self._ask, query))

    def apply_blocking(self, connection: object, units: Sequence[Unit], now: int) -> list[Any]:
        """See `Joining.apply_blocking`."""
        return self._carried_blocking(connection, partial(self._apply, units, now))

    def ask_blocking(self, connection: object, query: Query[A]) -> A:
        """See `Joining.ask_blocking`."""
        return self._carried_blocking(connection, partial(self._ask, query))

    async def until_look(self, longest: float) -> None:
        """Waits for the next look for commits: so many seconds, or a moment while one is expected of a caller."""
        if time.monotonic() < self._expected_until:
            await asyncio.sleep(_RETRY_S)
            return
        loop = asyncio.get_running_loop()
        self._sleeper = loop.create_future()
        timer = loop.call_later(longest, self._end_sleep)
        try:
            await self._sleeper
        finally:
            timer.cancel()

    def _expect(self) -> None:
        self._expected_until = time.monotonic() + _EXPECTED_S
        self._end_sleep()

    def _end_sleep(self) -> None:
        if self._sleeper is not None and not self._sleeper.done():
            self._sleeper.set_result(None)

    async def _carried(self, given: object, work: Work[T]) -> T:
        driver = await driver_connection(given)
        deadline = time.monotonic() + BUSY_TIMEOUT_S
        while True:
            try:
                if not isinstance(driver, aiosqlite.Connection):
                    return self._within(work, _checked(driver))
                try:
                    return await call_of_caller(driver, partial(self._within, work))
                except ValueError as error:  # of aiosqlite
                    if "active" not in str(error) and "closed" not in str(error):
                        raise
                    raise _closed() from error
            except StoreUnavailable as error:
                if not _may_pass(error) or time.monotonic() > deadline:
                    raise
            await asyncio.sleep(_RETRY_S)

    def _carried_blocking(self, given: object, work: Work[T]) -> T:
        connection = _checked(driver_connection_blocking(given))
        deadline = time.monotonic() + BUSY_TIMEOUT_S
        while True:
            try:
                return self._within(work, connection)
            except StoreUnavailable as error:
                if not _may_pass(error) or time.monotonic() > deadline:
                    raise
            time.sleep(_RETRY_S)

    # On the thread of the connection.

    def _within(self, work: Work[T], connection: sqlite3.Connection) -> T:
        """Does the work in a savepoint of the caller's transaction, or in none of it."""
        view = _View(connection)
        try:
            with _neutral(connection, view):
                self._check_file(view)
                with _savepoint(connection, view):
                    self._lock(view)
                    return work(cast("sqlite3.Connection", view))
        except sqlite3.Error as error:
            raise _error_of(error) from error
        except (OverflowError, UnicodeError) as error:
            raise translated(error) from error

    def _apply(self, units: Sequence[Unit], now: int, connection: sqlite3.Connection) -> list[Any]:
        ledger = Ledger(self._sql)
        ledger.reload(connection)
        ledger.limits.begin(connection, now)
        transaction = Transaction(connection, self._sql, ledger, now, MOST_ROWS)
        answers = apply_units(units, SqlitePhases(transaction))
        if ledger.limits.types:
            ledger.limits.lines.wake()
        transaction.flush()
        return answers

    def _ask(self, query: Query[A], connection: sqlite3.Connection) -> A:
        answer: A = READS[type(query)](connection, self._sql, query)
        return answer

    def _check_file(self, view: _View) -> None:
        """Checks that the connection's own file, not one that is attached to it, is the one of the jobs."""
        main = next(file for _, name, file in view.execute(self._sql["open_files"]).fetchall() if name == "main")
        try:
            is_same = bool(main) and os.path.samestat(os.stat(main), os.stat(self._path))
        except OSError:  # one of them is gone
            is_same = False
        if not is_same:
            problem = f"The connection is to {main or 'a database in memory'}, the jobs are in {self._path}."
            raise TransactionRefused(
                "another database",
                f"{problem} Connect to the file of the jobs itself; an attached file is not enough.",
            )

    def _lock(self, view: _View) -> None:
        """Takes the lock of the writer, then checks the job tables."""
        try:
            view.execute(self._sql["take_lock"])
        except sqlite3.OperationalError as error:
            if error.sqlite_errorname != "SQLITE_ERROR":
                raise
            raise _without_tables() from error
        check_lock(str(self._path))
        version = stored_version(cast("sqlite3.Connection", view), self._sql)
        newest = _newest()
        if version is None:
            raise _without_tables()
        if version < newest:
            advice = "Start a runner of this release on the file, which brings them up to date."
            raise TransactionRefused("older job tables", advice)
        if version > newest and not self._is_open():
            advice = f"Its tables have schema {version}, this release knows {newest}. Upgrade aiojobs_lite."
            raise StoreRefused(str(self._path), "newer", advice)


class _View:
    """A caller's connection as the store expects one: rows are tuples, whatever the caller's are.

    It has what the store uses within a transaction.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
        """See `sqlite3.Connection.execute`."""
        cursor = sqlite3.Connection.cursor(self._connection, sqlite3.Cursor)  # a subclass may have methods of its own
        cursor.row_factory = None
        try:
            return cursor.execute(sql, parameters)
        except BaseException:
            cursor.close()  # an error that is kept would keep it, and the file open, by its traceback
            raise


@contextmanager
def _neutral(connection: sqlite3.Connection, view: _View) -> Iterator[None]:
    """Sets how texts are read, and that no lock is waited for, as the store needs it; and back again."""
    ((waits_ms,),) = view.execute("PRAGMA busy_timeout").fetchall()
    text_factory = connection.text_factory
    try:
        connection.text_factory = str
        view.execute("PRAGMA busy_timeout = 0").fetchall()
        yield
    finally:
        connection.text_factory = text_factory
        for _ in range(2):  # if the program interrupts SQLite just now, all is written or undone all the same
            with suppress(sqlite3.Error):
                view.execute(f"PRAGMA busy_timeout = {waits_ms}").fetchall()
                break


@contextmanager
def _savepoint(connection: sqlite3.Connection, view: _View) -> Iterator[None]:
    """Writes of the block are undone if it raises. A transaction is begun where the driver would begin one."""
    is_begun = _begin(connection, view)
    try:
        view.execute(f"SAVEPOINT {_SAVEPOINT}")
        try:
            yield
        except BaseException:
            _undo(connection, view)
            raise
        try:
            view.execute(f"RELEASE {_SAVEPOINT}")
        except sqlite3.Error:
            if _undo(connection, view):  # else it was released before the fault
                raise
    except BaseException:
        if is_begun and connection.in_transaction:
            view.execute("ROLLBACK")
        raise


def _undo(connection: sqlite3.Connection, view: _View) -> bool:
    """Rolls back to the savepoint; returns whether it was there. If that fails, all is undone, as some faults do it."""
    if not connection.in_transaction:
        return True
    try:
        view.execute(f"ROLLBACK TO {_SAVEPOINT}")
        view.execute(f"RELEASE {_SAVEPOINT}")
    except sqlite3.Error as error:
        if str(error).startswith("no such savepoint"):
            return False
        view.execute("ROLLBACK")
    return True


def _begin(connection: sqlite3.Connection, view: _View) -> bool:
    """Begins a transaction as sqlite3 does before an INSERT; returns whether it did."""
    if connection.in_transaction:
        return False
    if connection.isolation_level is None or getattr(connection, "autocommit", None) is True:
        problem = "The connection commits each statement by itself, so nothing would belong together."
        raise TransactionRefused("no transaction", f'{problem} Execute "BEGIN IMMEDIATE" first, and COMMIT after.')
    view.execute(f"BEGIN {connection.isolation_level}")
    return True


def _checked(driver: object) -> sqlite3.Connection:
    if isinstance(driver, sqlite3.Connection):
        return driver
    if isinstance(driver, aiosqlite.Connection):
        advice = "It is awaited: use `await runner.enqueue_in(...)` of a JobRunner."
    else:
        advice = f"Pass {_KINDS}."
    raise TransactionRefused("not a connection", f"Got {type(driver).__module__}.{type(driver).__qualname__}. {advice}")


def _may_pass(error: StoreUnavailable) -> bool:
    """Whether it is a lock that another connection will give back. A transaction that has read is too old for ever."""
    return error.code.startswith("SQLITE_BUSY") and error.code != "SQLITE_BUSY_SNAPSHOT"


def _error_of(error: sqlite3.Error) -> StoreError | TransactionRefused:
    if isinstance(error, sqlite3.ProgrammingError):
        if "thread" in str(error):
            advice = "Use it in the thread that made it, or make it by sqlite3.connect(..., check_same_thread=False)."
            return TransactionRefused("another thread", f"{advice} In a thread without an event loop use a JobClient.")
        if "closed" in str(error) or "__init__" in str(error):
            return _closed()
    if (getattr(error, "sqlite_errorname", None) or "").startswith("SQLITE_READONLY"):
        return TransactionRefused("read-only", "Open a connection that may write, without mode=ro and query_only.")
    return translated(error)


@cache
def _newest() -> int:
    """The version of the job tables that this release makes."""
    return len(migrations(__package__))


def _closed() -> TransactionRefused:
    return TransactionRefused("closed", "Enqueue before the connection is closed, in its open transaction.")


def _without_tables() -> TransactionRefused:
    return TransactionRefused("no job tables", "Start a runner on the file first: it makes them.")
