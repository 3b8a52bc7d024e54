"""A look into an open SQLite store: its connections, and what these are asked to do."""

from __future__ import annotations

import re
import sqlite3
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from aiojobs_lite.model.writes import Unit
from aiojobs_lite.stores.base import Durability
from aiojobs_lite.stores.sqlite.connection import Connection
from aiojobs_lite.stores.sqlite.inline import InlinePolicy
from aiojobs_lite.stores.sqlite.store import SqliteStore
from aiojobs_lite.stores.sqlite.writer import Writer
from tests.helpers.stores import NOW, inserted, new


class Asked(NamedTuple):
    """What a connection was asked to do: the first word of a statement, and whether on the event loop's own thread."""

    word: str
    is_inline: bool


class FaultyConnection:
    """A connection that fails at the n-th statement from now, or after the next commit.

    Attributes:
        fail_at: Which statement fails, before it does its work; None: none.
        fail_after_commit: Whether the next commit is carried out, and said to have failed.
        statements: All since it was armed.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self.fail_at: int | None = None
        self.fail_after_commit = False
        self.statements: list[str] = []

    def arm(self, fail_at: int) -> None:
        """Fails at this statement from now, counted from 1."""
        self.fail_at = fail_at
        self.statements = []

    def execute(self, sql: str, parameters: Any = ()) -> sqlite3.Cursor:
        self.statements.append(sql)
        if sql == "ROLLBACK":
            return self._connection.execute(sql)
        if self.fail_at is not None and len(self.statements) >= self.fail_at:
            self.fail_at = None
            raise _io_error()
        cursor = self._connection.execute(sql, parameters)
        if self.fail_after_commit and sql == "COMMIT":
            self.fail_after_commit = False
            raise _io_error()
        return cursor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def _io_error() -> sqlite3.Error:
    error = sqlite3.OperationalError("disk I/O error")
    error.sqlite_errorname, error.sqlite_errorcode = "SQLITE_IOERR_WRITE", 778
    return error


def writer_of(store: SqliteStore) -> Writer:
    """What carries the transactions out."""
    return store._open_writer()


async def leave_open(store: SqliteStore, units: Sequence[Unit]) -> None:
    """Has its writer carry a transaction out, and not commit it."""
    writer = writer_of(store)
    await writer.connection.call(partial(writer._write, units, NOW, inline=False))


def policy_of(store: SqliteStore) -> InlinePolicy:
    """What decides where its transactions are done."""
    return writer_of(store)._policy


def set_policy(store: SqliteStore, policy: InlinePolicy) -> None:
    """Has this decide it."""
    writer_of(store)._policy = policy


def shortens_at_once(store: SqliteStore) -> Writer:
    """Its writer, whose next look at the length of the log is due."""
    writer = writer_of(store)
    writer._next_shortening = 0.0
    return writer


def recounts_at_once(store: SqliteStore) -> None:
    """Its next walk is due."""
    store._next_recount = 0.0


def lister_of(store: SqliteStore) -> Connection:
    """The connection that answers what may take long."""
    assert store._lister is not None
    return store._lister


def reader_of(store: SqliteStore) -> Connection:
    """The connection that answers queries."""
    assert store._reader is not None
    return store._reader


def raw(connection: Connection) -> sqlite3.Connection:
    """The connection of the driver below."""
    return connection._connection._conn


def make_faulty(store: SqliteStore) -> FaultyConnection:
    """Puts a connection that may fail below the writer of a store."""
    below = writer_of(store).connection._connection
    wrapper = FaultyConnection(below._conn)
    below._connection = wrapper  # type: ignore[assignment]
    return wrapper


@contextmanager
def faulty(store: SqliteStore) -> Iterator[FaultyConnection]:
    """A connection that may fail is below the writer of a store for the block."""
    below = writer_of(store).connection._connection
    connection = below._conn
    try:
        yield make_faulty(store)
    finally:
        below._connection = connection


async def run_sql(store: SqliteStore, sql: str) -> Any:
    """Executes a statement on the connection that writes."""
    return await writer_of(store).connection.call(lambda connection: connection.execute(sql).fetchall())


async def notices_change(store: SqliteStore) -> bool:
    """Whether the store has noticed a commit of another connection since it was last asked."""
    return await writer_of(store).take_change()


@asynccontextmanager
async def opened(path: Path, durability: Durability = "normal") -> AsyncIterator[SqliteStore]:
    """A store that is open."""
    store = SqliteStore(path, durability)
    await store.open()
    try:
        yield store
    finally:
        await store.close()


async def made(path: Path) -> None:
    """Leaves a database of ours with one job."""
    async with opened(path) as store:
        await inserted(store, new())


@asynccontextmanager
async def watched(path: Path, durability: Durability) -> AsyncIterator[tuple[SqliteStore, list[Asked]]]:
    """An open store, and what its write connection is asked to do, as it comes."""
    own = threading.current_thread()
    asked: list[Asked] = []
    async with opened(path, durability) as store:
        connection = raw(writer_of(store).connection)

        def note(sql: str) -> None:
            asked.append(Asked(sql.split(maxsplit=1)[0], threading.current_thread() is own))

        connection.set_trace_callback(note)
        try:
            yield store, asked
        finally:
            connection.set_trace_callback(None)


class StrictConnection(sqlite3.Connection):
    """A connection that refuses what Python 3.14 refuses: values in a row for parameters that have names."""

    def execute(self, sql: str, parameters: Any = (), /) -> sqlite3.Cursor:
        if not isinstance(parameters, dict) and re.search(r"(?<![:\w]):[a-z_]+", re.sub(r"'[^']*'|--.*", "", sql)):
            raise AssertionError(f"parameters with names are given by position: {sql}")
        return super().execute(sql, parameters)
