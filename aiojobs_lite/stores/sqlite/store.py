"""The SQLite store: one write connection, one read connection, one function call a transaction."""

from __future__ import annotations

import asyncio
import logging
import math
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

from aiojobs_lite.clock import to_datetime
from aiojobs_lite.errors import StoreRefused, StoreUnavailable
from aiojobs_lite.model.job import PRIORITY_NAMES, Attempt, Job, Outcome, Status
from aiojobs_lite.model.writes import Write
from aiojobs_lite.stores import named_sql as queries
from aiojobs_lite.stores.base import Applied, JobFilter, TypeCounts
from aiojobs_lite.stores.sqlite import batch as sqlite_batch
from aiojobs_lite.stores.sqlite import file as sqlite_file
from aiojobs_lite.stores.sqlite.connection import Connection, carried_out, closed
from aiojobs_lite.stores.sqlite.counts import Ledger, Tally
from aiojobs_lite.stores.sqlite.inline import Place
from aiojobs_lite.stores.sqlite.transaction import LARGEST, Fenced, Transaction

_log = logging.getLogger("aiojobs_lite.store")

T = TypeVar("T")
_TIMES = (7, 8, 9, 10, 23)  # columns of jobs_where, which come in the order of Job
_FLAGS = (19, 20)
_LARGEST_ID = 2**63 - 1
_RECOUNTING = 0.01  # most of the time that may go into looking for wrong counts
_MANY = 5000  # rows that SQLite counts in a fraction of a millisecond
_LONG_UNSEEN = 1_000_000  # microseconds
Durability = Literal["full", "normal"]


class _Written(NamedTuple):
    """What an open transaction has done."""

    answers: list[Any]
    due: dict[str, int | None]


class SqliteStore:
    """Implements `stores.base.Store` on one SQLite file through aiosqlite.

    Args:
        path: The file; None keeps everything in memory, for tests.
        durability: `full` survives a power cut, `normal` a crash of the process.
    """

    def __init__(self, path: Path | None, durability: Durability = "full") -> None:
        self._path = path
        self._durability = durability
        self._waits_for_disk = durability == "full" and path is not None
        self._sql = queries.load("aiojobs_lite.stores.sqlite", "sqlite.sql")
        self._ledger = Ledger(self._sql)
        self._tallies: Mapping[str, Tally] = {}
        self._guard: sqlite_file.Guard | None = None
        self._data_version = -1
        self._unreported = False  # somebody else's commit that no answer has mentioned yet
        self._next_recount = 0.0  # by the monotonic clock
        self._in_doubt = False  # somebody else may have left wrong counts
        self._closing = False
        self._place = Place()
        self._write: Connection | None = None
        self._read: Connection | None = None

    @property
    def shared_path(self) -> str | None:
        """See `Store.shared_path`."""
        return str(self._path) if self._path else None

    async def open(self) -> None:
        """See `Store.open`."""
        try:
            await carried_out(self._open())
        except asyncio.CancelledError:
            await carried_out(self._close())
            raise

    async def close(self) -> None:
        """See `Store.close`."""
        await carried_out(self._close())

    async def apply(self, writes: Sequence[Write], now: int) -> Applied:
        """See `Store.apply`."""
        writer = _open_one(self._write)
        if self._place.is_checkpoint_due:
            await writer.call(self._checkpoint)
        if self._waits_for_disk and not self._place.allows_durable_commit(writes):
            written = self._done_here(self._written, writer, writes, now)
            if written is not None:
                return await writer.call(partial(self._committed, written))
        else:
            applied = self._done_here(self._applied, writer, writes, now)
            if applied is not None:
                return applied
        return await writer.call(partial(self._applied, writes, now, here=False))

    def apply_at_once(self, writes: Sequence[Write], now: int) -> Applied | None:
        """See `Store.apply_at_once`."""
        if self._waits_for_disk and not self._place.is_disk_quick:
            return None
        writer = _open_one(self._write)
        return self._done_here(self._applied, writer, writes, now)

    async def get(self, job_id: int) -> Job | None:
        """See `Store.get`."""
        if abs(job_id) > _LARGEST_ID:
            return None

        def read(connection: sqlite3.Connection) -> Job | None:
            one = self._sql["jobs_where"].format(index="", where="id = :id")
            jobs = connection.execute(one, {"id": job_id, "limit": 1}).fetchall()
            if not jobs:
                return None
            history = connection.execute(self._sql["attempts_of_job"], (job_id,)).fetchall()
            return _job(jobs[0], tuple(map(_attempt, history)))

        return await self._on_reader(read)

    async def find(self, which: JobFilter) -> list[Job]:
        """See `Store.find`."""
        if which.ids is not None and not which.ids:
            return []  # SQLite finds no way to use an index for it
        index, where, parameters = _conditions(which)
        sql = self._sql["jobs_where"].format(index=index, where=where)
        rows = await self._on_reader(lambda connection: connection.execute(sql, parameters).fetchall())
        return [_job(row) for row in rows]

    def counts(self) -> Mapping[str, TypeCounts]:
        """See `Store.counts`."""
        return {job_type: tally.frozen() for job_type, tally in self._tallies.items()}

    async def recount(self, now: int) -> None:
        """See `Store.recount`."""
        started = time.monotonic()
        if not self._in_doubt or started < self._next_recount:
            return
        self._in_doubt = False
        sql = self._sql["miscounted"]
        wrong = await self._on_reader(lambda connection: connection.execute(sql).fetchall())
        ended = time.monotonic()
        self._next_recount = ended + (ended - started) / _RECOUNTING
        if wrong:
            _log.warning("jobs were written past the library, all are counted again: %s", [name for (name,) in wrong])
            await self._on_writer(partial(self._recount, now))

    async def changed(self) -> bool:
        """See `Store.changed`."""
        writer = _open_one(self._write)
        if writer.is_free:
            try:
                return writer.call_here(partial(self._take_change, here=True))
            except StoreUnavailable as error:
                if not error.code.startswith("SQLITE_BUSY"):
                    raise
        return await writer.call(partial(self._take_change, here=False))

    def _done_here(self, work: Callable[..., T], writer: Connection, writes: Sequence[Write], now: int) -> T | None:
        """Does `_applied` or `_written` on this thread; None if it is to be done there, then nothing was done."""
        if not (writer.is_free and self._place.allows(writes)) or self._much_comes_due(now):
            return None
        started = time.perf_counter()
        try:
            return writer.call_here(partial(work, writes, now, here=True))
        except StoreUnavailable as error:
            if not error.code.startswith("SQLITE_BUSY"):
                raise
            self._place.was_refused()
            return None
        finally:
            self._place.took(time.perf_counter() - started)

    def _much_comes_due(self, now: int) -> bool:
        """Whether so many are scheduled, and were last seen so long ago, that counting what came due may take long."""
        for tally in self._tallies.values():  # noqa: SIM110  # a generator would cost more than it looks at
            if tally.scheduled > _MANY and now - tally.due_mark > _LONG_UNSEEN:
                return True
        return False

    # With a connection in hand.

    def _applied(self, writes: Sequence[Write], now: int, connection: sqlite3.Connection, *, here: bool) -> Applied:
        """Carries the writes out, and commits them."""
        written = self._written(writes, now, connection, here=here)
        started = time.perf_counter()
        try:
            return self._committed(written, connection)
        finally:
            if here and self._waits_for_disk:
                self._place.waited_for_disk(time.perf_counter() - started)

    def _written(self, writes: Sequence[Write], now: int, connection: sqlite3.Connection, *, here: bool) -> _Written:
        """Begins a transaction and carries the writes out; it is left open."""
        _roll_back(connection)  # what a fault may have left open
        self._place.set(connection, here=here)
        try:
            return self._transact(connection, writes, now, LARGEST)
        except Fenced:
            return self._transact(connection, writes, now, 1)

    def _transact(self, connection: sqlite3.Connection, writes: Sequence[Write], now: int, largest: int) -> _Written:
        self._ledger.begin()
        self._patiently("BEGIN IMMEDIATE", connection)
        try:
            self._look(connection)
            transaction = Transaction(connection, self._sql, self._ledger, now, largest)
            answers = sqlite_batch.apply(transaction, writes)
            due = transaction.due()
            self._ledger.flush(connection)
            if not writes:
                transaction.prove_writable()
        except BaseException:
            _roll_back(connection)
            raise
        return _Written(answers, due)

    def _committed(self, written: _Written, connection: sqlite3.Connection) -> Applied:
        """Commits what was written."""
        try:
            self._commit(connection)
        except BaseException:
            _roll_back(connection)
            raise
        self._ledger.commit()
        changed, self._unreported = self._unreported, False
        self._tallies = self._ledger.committed  # here, not in the caller, who may be cancelled by now
        return Applied(written.answers, written.due, changed)

    def _checkpoint(self, connection: sqlite3.Connection) -> None:
        """Moves the write-ahead log into the database, and begins it anew: both wait for the disk."""
        self._place.set(connection, here=False)
        ((_, pages, moved),) = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        self._patiently("BEGIN IMMEDIATE", connection)
        try:
            (version,) = connection.execute("PRAGMA user_version").fetchall()[0]
            connection.execute(f"PRAGMA user_version = {version}")
            connection.execute("COMMIT")
        except BaseException:
            _roll_back(connection)
            raise
        self._place.checkpointed()
        if pages != moved:  # a reader holds it up: it will begin anew some time soon, which waits for the disk
            self._place.was_refused()

    def _recount(self, now: int, connection: sqlite3.Connection) -> None:
        _roll_back(connection)
        self._place.set(connection, here=False)
        self._patiently("BEGIN IMMEDIATE", connection)
        try:
            connection.execute(self._sql["forget_counts"])
            connection.execute(self._sql["recount"], {"now": now})
            self._commit(connection)
        except BaseException:
            _roll_back(connection)
            raise
        self._data_version = -1

    def _commit(self, connection: sqlite3.Connection) -> None:
        version, self._data_version = self._data_version, -1  # should it fail, the counts must be read again
        connection.execute("COMMIT")
        if self._guard:
            self._guard.check()
        self._data_version = version

    def _look(self, connection: sqlite3.Connection) -> None:
        ((version,),) = self._patiently("PRAGMA data_version", connection)
        if version != self._data_version:
            self._ledger.reload(connection)
            self._data_version = version
            self._unreported = self._in_doubt = True

    def _take_change(self, connection: sqlite3.Connection, *, here: bool) -> bool:
        self._place.set(connection, here=here)
        self._look(connection)
        if self._guard:
            self._guard.check_closely()
        changed, self._unreported = self._unreported, False
        self._tallies = self._ledger.committed
        return changed

    async def _open(self) -> None:
        if self._path:
            sqlite_file.create(self._path)
            self._guard = sqlite_file.Guard(self._path)
        self._data_version = -1
        self._closing = False
        self._place = Place()
        database = str(self._path) if self._path else ":memory:"
        try:
            self._write = await Connection.connect(database)
            await self._write.call(partial(sqlite_file.prepare, database=database, durability=self._durability))
            if self._path:
                self._read = await Connection.connect(database)
                await self._read.call(_set_read_only)
            await self._write.call(partial(self._take_change, here=False))
        except sqlite3.Error as error:
            await self._close()
            raise StoreRefused(database, "unreadable", f"SQLite says: {error}.") from error
        except BaseException:
            await self._close()
            raise

    async def _close(self) -> None:
        self._closing = True
        connections, self._read, self._write = (self._read, self._write), None, None
        for connection in connections:
            if connection is not None:
                await connection.close()

    async def _on_writer(self, function: Callable[[sqlite3.Connection], T]) -> T:
        return await _open_one(self._write).call(function)

    async def _on_reader(self, function: Callable[[sqlite3.Connection], T]) -> T:
        return await _open_one(self._read or self._write).call(function)

    def _patiently(self, statement: str, connection: sqlite3.Connection) -> list[Any]:
        """Executes what may have to wait for another process, in short steps: a store that closes does not wait."""
        deadline = math.inf
        while True:
            try:
                return connection.execute(statement).fetchall()
            except sqlite3.OperationalError as error:
                is_busy = error.sqlite_errorname.startswith("SQLITE_BUSY")
                if not is_busy or self._closing or self._place.is_here or time.monotonic() > deadline:
                    raise
                deadline = min(deadline, time.monotonic() + sqlite_file.BUSY_TIMEOUT)


def _open_one(connection: Connection | None) -> Connection:
    if connection is None:
        raise closed()
    return connection


def _roll_back(connection: sqlite3.Connection) -> None:
    if connection.in_transaction:
        try:
            connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            _log.warning("rolling back failed, SQLite will do it itself: %s", error)


def _set_read_only(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA query_only = ON")
    connection.execute("PRAGMA wal_autocheckpoint = 0")


def _conditions(which: JobFilter) -> tuple[str, str, dict[str, Any]]:
    """The index and the WHERE clause of a filter. A status is spelled out, so that the partial indexes serve it."""
    index = ""
    where = ["1"]
    parameters: dict[str, Any] = {"limit": which.limit}
    if which.ids is not None:
        where.append(f"id IN ({', '.join(str(int(job_id)) for job_id in which.ids)})")
    if which.status is not None:
        where.append(f"status = '{which.status.value}'")
        if which.status in (Status.DEAD, Status.CANCELLED):
            index = "INDEXED BY jobs_finished"
            where.append("completed_at IS NOT NULL")
    for column in ("type", "owner"):
        if getattr(which, column) is not None:
            where.append(f"{column} = :{column}")
            parameters[column] = getattr(which, column)
    if which.cancel_requested is not None:
        where.append(f"cancel_requested = {int(which.cancel_requested)}")
    if which.status is Status.PROCESSING or (which.status is None and (which.owner or which.cancel_requested)):
        index = "INDEXED BY jobs_processing"
        where.append("status = 'processing'")  # no other has an owner, or was asked to cancel
    if which.before is not None:
        where.append("id < :before")
        parameters["before"] = which.before
    return index, " AND ".join(where), parameters


def _job(row: tuple[Any, ...], history: tuple[Attempt, ...] = ()) -> Job:
    values: list[Any] = [*row, history]
    values[3] = Status(row[3])
    values[4] = PRIORITY_NAMES[row[4]]
    for index in _TIMES:
        values[index] = None if row[index] is None else to_datetime(row[index])
    for index in _FLAGS:
        values[index] = bool(row[index])
    return Job(*values)


def _attempt(row: tuple[Any, ...]) -> Attempt:
    attempt, outcome, started_at, ended_at, *rest = row
    started = None if started_at is None else to_datetime(started_at)
    return Attempt(attempt, Outcome(outcome), started, to_datetime(ended_at), *rest)
