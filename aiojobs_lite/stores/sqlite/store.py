"""The SQLite store: one function call a transaction; connections of their own for writes, reads, lists and walks."""

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
from aiojobs_lite.stores.base import Applied, Change, Durability, Opening
from aiojobs_lite.stores.sqlite import schema
from aiojobs_lite.stores.sqlite.connection import Connection, carry_out, closed
from aiojobs_lite.stores.sqlite.counts import Ledger
from aiojobs_lite.stores.sqlite.file import Guard, check_existing, create, remedy, warn_of_network
from aiojobs_lite.stores.sqlite.forks import check_inherited
from aiojobs_lite.stores.sqlite.joining import SqliteJoining
from aiojobs_lite.stores.sqlite.owners import FileOwners
from aiojobs_lite.stores.sqlite.reads import READS, may_walk
from aiojobs_lite.stores.sqlite.recount import MOST_LOG, Walk
from aiojobs_lite.stores.sqlite.rows import load_sql
from aiojobs_lite.stores.sqlite.writer import Writer

_log = get_log("store")

A = TypeVar("A")
RECOUNT_SHARE: Final = 0.01  # of the time, at most, goes into looking for wrong counts
_MOST_SHOWN: Final = 5  # lanes in a log line
LOOK_EVERY_S: Final = 0.09  # in which the commits of other processes are noticed
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
        opening: What its open may do to the file.

    Attributes:
        owners: See `Store.owners`.
        inline: See `Store.inline`.
        joining: See `Store.joining`.
    """

    def __init__(self, path: Path | None, durability: Durability = "full", opening: Opening = "own") -> None:
        self._path = path
        self._opening = opening
        self._durability = durability
        self._sql = load_sql()
        self._next_recount = 0.0  # by the monotonic clock
        self._most_log = MOST_LOG  # of the next walk
        self._writer: Writer | None = None
        self._reader: Connection | None = None  # for what is quick: a rescue, a result
        self._lister: Connection | None = None  # for lists that may walk through all jobs
        self._walking = asyncio.Lock()
        self._ledger: Ledger | None = None  # also after the close
        self.owners = FileOwners(None if path is None else str(path))
        self.inline = InlineWriter()
        self.joining = None if path is None else SqliteJoining(path, self._sql, lambda: self._writer is not None)

    def __str__(self) -> str:
        return ":memory:" if self._path is None else str(self._path)

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

    @property
    def path(self) -> Path | None:
        """The file; None: everything is in memory."""
        return self._path

    async def copy_to(self, path: Path) -> None:
        """Writes the database into a new file, as it is after the latest transaction."""
        writer = self._open_writer()
        await writer.connection.call(lambda connection: connection.execute("VACUUM INTO ?", (str(path),)))

    async def apply(self, units: Sequence[Unit], now: int) -> Applied:
        """See `Store.apply`."""
        return await self._open_writer().apply(units, now)

    async def ask(self, query: Query[A]) -> A:
        """See `Store.ask`."""
        answer = READS[type(query)]
        reader = (self._lister if may_walk(query) else self._reader) or self._open_writer().connection
        found: A = await reader.call(lambda connection: answer(connection, self._sql, query))
        return found

    def counts(self) -> Counts:
        """See `Store.counts`."""
        return self._ledger.counts() if self._ledger else _NO_COUNTS

    async def changes(self) -> AsyncIterator[Change]:
        """See `Store.changes`."""
        while True:
            await self._until_look()
            if await self._open_writer().take_change():
                yield Change()
            await self._open_writer().shorten_log()

    async def maintain(self, now: int) -> None:
        """See `Store.maintain`."""
        writer, started = self._open_writer(), time.monotonic()
        await writer.prune_meters(now)
        if lost := await writer.find_lost_lanes(now):
            shown = [one.replace("\n", ", ") for one in lost[:_MOST_SHOWN]]
            _log.warning("limits by key did not agree with the jobs, and were put right: %s", shown)
        if self._path is None or not writer.is_in_doubt or started < self._next_recount:
            return  # no other program can write what is in memory
        writer.is_in_doubt = False
        walk = Walk(str(self._path), self._sql, now, is_wanted=lambda: self._writer is writer)
        findings = None
        try:
            async with self._walking:
                findings = await walk.run(self._most_log)
        finally:
            writer.is_in_doubt |= findings is None
        ended = time.monotonic()
        self._next_recount = ended + (ended - started) / RECOUNT_SHARE
        if findings is None:
            self._open_writer()  # raises if it was closed
            self._most_log *= 2
            return
        self._most_log = MOST_LOG
        if findings.corrections and await writer.correct(findings):
            types = [one.type for one in findings.corrections]
            _log.warning("jobs were written past the library, their counts were put right: %s", types)

    async def _until_look(self) -> None:
        """Waits in real time: other processes do not know a test's clock."""
        if self.joining is None:
            await asyncio.sleep(LOOK_EVERY_S)
        else:
            await self.joining.until_look(LOOK_EVERY_S)

    def _open_writer(self) -> Writer:
        if self._writer is None:
            raise closed()
        return self._writer

    async def _open(self) -> None:
        guard = None
        self._walking = asyncio.Lock()  # belongs to an event loop
        if self._path:
            check_inherited(self._path)
            (create if self._opening == "own" else check_existing)(self._path)
            warn_of_network(self._path)
            guard = Guard(self._path)
        database = str(self._path) if self._path else ":memory:"
        try:
            connection = await Connection.connect(database)
            waits_for_disk = self._durability == "full" and self._path is not None
            self._writer = self.inline.writer = Writer(connection, self._sql, guard, waits_for_disk=waits_for_disk)
            self._ledger = self._writer.ledger
            prepare = partial(
                schema.prepare, database=database, sql=self._sql, durability=self._durability, opening=self._opening
            )
            await connection.call(prepare)
            if self._path:
                self._reader = await Connection.connect(database)
                await self._reader.call(_set_read_only)
                self._lister = await Connection.connect(database, is_urgent=False)
                await self._lister.call(_set_read_only)
                await self._lister.call(lambda lister: lister.execute(self._sql["names_of_ours"]).fetchall())
            await self._writer.take_change()
        except sqlite3.Error as error:
            await self._close()
            advice = (
                "Its directory must be writable by this user, and the limit of open files not be reached (`ulimit -n`)."
            )
            raise StoreRefused(database, "unreadable", f"SQLite says: {error}. {advice}") from error
        except OSError as error:  # the library's own files, without a descriptor left
            await self._close()
            raise StoreRefused(database, "unreadable", f"{error}. {remedy(error)}") from error
        except BaseException:
            await self._close()
            raise

    async def _close(self) -> None:
        parts = (self._lister, self._reader, self._writer)
        self._lister = self._reader = self._writer = self.inline.writer = None
        async with self._walking:  # a walk ends at its next step
            for part in parts:
                if part is not None:
                    await part.close()


def _set_read_only(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA query_only = ON")
    connection.execute("PRAGMA wal_autocheckpoint = 0")
