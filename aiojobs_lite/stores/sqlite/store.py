"""The SQLite store: one write connection, one read connection, one function call a transaction."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from aiojobs_lite.errors import StoreRefused
from aiojobs_lite.logs import get_log
from aiojobs_lite.model.counts import Counts, TypeCounts
from aiojobs_lite.model.queries import Query
from aiojobs_lite.model.writes import Unit
from aiojobs_lite.stores.base import Applied, Change, Durability
from aiojobs_lite.stores.sqlite import schema
from aiojobs_lite.stores.sqlite.connection import Connection, carry_out, closed
from aiojobs_lite.stores.sqlite.counts import Ledger
from aiojobs_lite.stores.sqlite.file import Guard, create
from aiojobs_lite.stores.sqlite.owners import FileOwners
from aiojobs_lite.stores.sqlite.reads import READS
from aiojobs_lite.stores.sqlite.rows import load_sql
from aiojobs_lite.stores.sqlite.writer import Writer

_log = get_log("store")

A = TypeVar("A")
_RECOUNT_SHARE: Final = 0.01  # of the time, at most, goes into looking for wrong counts
LOOK_EVERY_S: Final = 0.1  # in which the commits of other processes are noticed
_NO_COUNTS: Final = Counts(TypeCounts(), {}, {})


class InlineWriter:
    """Implements `stores.base.Inline`.

    Attributes:
        writer: What carries the transactions out; None while the store is not open.
    """

    def __init__(self) -> None:
        self.writer: Writer | None = None

    def apply(self, units: Sequence[Unit], now: int) -> Applied | None:
        """See `Inline.apply`."""
        if self.writer is None:
            raise closed()
        return self.writer.apply_inline(units, now)


class SqliteStore:
    """Implements `stores.base.Store` on one SQLite file through aiosqlite.

    Args:
        path: The file; None keeps everything in memory, for tests.
        durability: `full` survives a power cut, `normal` a crash of the process.

    Attributes:
        owners: See `Store.owners`.
        inline: See `Store.inline`.
    """

    def __init__(self, path: Path | None, durability: Durability = "full") -> None:
        self._path = path
        self._durability = durability
        self._sql = load_sql()
        self._next_recount = 0.0  # by the monotonic clock
        self._writer: Writer | None = None
        self._reader: Connection | None = None
        self._ledger: Ledger | None = None  # also after the close
        self.owners = FileOwners(None if path is None else str(path))
        self.inline = InlineWriter()

    async def open(self) -> None:
        """See `Store.open`."""
        try:
            await carry_out(self._open())
        except asyncio.CancelledError:
            await carry_out(self._close())
            raise

    async def close(self) -> None:
        """See `Store.close`."""
        await carry_out(self._close())

    async def apply(self, units: Sequence[Unit], now: int) -> Applied:
        """See `Store.apply`."""
        return await self._open_writer().apply(units, now)

    async def ask(self, query: Query[A]) -> A:
        """See `Store.ask`."""
        answer = READS[type(query)]
        reader = self._reader or self._open_writer().connection
        found: A = await reader.call(lambda connection: answer(connection, self._sql, query))
        return found

    def counts(self) -> Counts:
        """See `Store.counts`."""
        return self._ledger.counts() if self._ledger else _NO_COUNTS

    async def changes(self) -> AsyncIterator[Change]:
        """See `Store.changes`."""
        while True:
            await asyncio.sleep(LOOK_EVERY_S)  # real time: other processes do not know a test's clock
            if await self._open_writer().take_change():
                yield Change()

    async def maintain(self, now: int) -> None:
        """See `Store.maintain`."""
        writer, started = self._open_writer(), time.monotonic()
        if not writer.is_in_doubt or started < self._next_recount:
            return
        writer.is_in_doubt = False
        sql = self._sql["miscounted"]
        reader = self._reader or writer.connection
        wrong = await reader.call(lambda connection: connection.execute(sql).fetchall())
        ended = time.monotonic()
        self._next_recount = ended + (ended - started) / _RECOUNT_SHARE
        if wrong:
            _log.warning("jobs were written past the library, all are counted again: %s", [name for (name,) in wrong])
            await writer.recount(now)

    def _open_writer(self) -> Writer:
        if self._writer is None:
            raise closed()
        return self._writer

    async def _open(self) -> None:
        guard = None
        if self._path:
            create(self._path)
            guard = Guard(self._path)
        database = str(self._path) if self._path else ":memory:"
        try:
            connection = await Connection.connect(database)
            waits_for_disk = self._durability == "full" and self._path is not None
            self._writer = self.inline.writer = Writer(connection, self._sql, guard, waits_for_disk=waits_for_disk)
            self._ledger = self._writer.ledger
            prepare = partial(schema.prepare, database=database, sql=self._sql, durability=self._durability)
            await connection.call(prepare)
            if self._path:
                self._reader = await Connection.connect(database)
                await self._reader.call(_set_read_only)
            await self._writer.take_change()
        except sqlite3.Error as error:
            await self._close()
            raise StoreRefused(database, "unreadable", f"SQLite says: {error}.") from error
        except BaseException:
            await self._close()
            raise

    async def _close(self) -> None:
        reader, writer = self._reader, self._writer
        self._reader = self._writer = self.inline.writer = None
        for part in (reader, writer):
            if part is not None:
                await part.close()


def _set_read_only(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA query_only = ON")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
