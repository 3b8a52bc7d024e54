"""The write connection of a SQLite store: one function call a transaction, inline or on the connection's thread."""

from __future__ import annotations

import math
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeVar

from aiojobs_lite.errors import StoreUnavailable
from aiojobs_lite.logs import get_log
from aiojobs_lite.model.writes import Unit
from aiojobs_lite.stores.base import Applied
from aiojobs_lite.stores.grouping import apply_units
from aiojobs_lite.stores.sqlite.connection import Connection, SilentCall
from aiojobs_lite.stores.sqlite.counts import Ledger
from aiojobs_lite.stores.sqlite.due import AT_ONCE, NEVER
from aiojobs_lite.stores.sqlite.file import BUSY_TIMEOUT_S, LARGEST_LOG, Guard, prove_writable
from aiojobs_lite.stores.sqlite.idle_meters import prune_meters
from aiojobs_lite.stores.sqlite.inline import InlinePolicy
from aiojobs_lite.stores.sqlite.lost_lanes import STEPS_A_LOOK, LanesFound, find_lost_lanes
from aiojobs_lite.stores.sqlite.phases import SqlitePhases
from aiojobs_lite.stores.sqlite.recount import Findings, correct
from aiojobs_lite.stores.sqlite.transaction import MOST_ROWS, Fenced, Transaction

_log = get_log("store")
T = TypeVar("T")
MANY_DUE: Final = 5000  # rows that SQLite counts in a fraction of a millisecond
_LONG_UNSEEN: Final = 1_000_000  # microseconds
SHORTEN_EVERY_S: Final = 2.0  # that a log which is too long is looked at


class Writer:
    """Carries out transactions on one connection, and knows what other connections have committed.

    Args:
        connection: The connection.
        sql: The named queries.
        guard: Looks after the files; None for a database in memory.
        waits_for_disk: Whether a commit waits until the disk has it.

    Attributes:
        connection: The connection.
        ledger: The counts.
        is_noticed: Whether another owner's commit was noticed that `take_change` has not answered yet.
        is_in_doubt: Whether another program may have left wrong counts.
    """

    def __init__(
        self, connection: Connection, sql: Mapping[str, str], guard: Guard | None, *, waits_for_disk: bool
    ) -> None:
        self.connection = connection
        self._sql = sql
        self._guard = guard
        self._waits_for_disk = waits_for_disk
        self._policy = InlinePolicy()
        self._data_version = -1
        self._is_closing = False
        self._lane = ""  # to which the look for lost ones came
        self._next_shortening = 0.0  # by the monotonic clock
        self.ledger = Ledger(sql)
        self.is_noticed = False
        self.is_in_doubt = False

    async def apply(self, units: Sequence[Unit], now: int) -> Applied:
        """See `Store.apply`."""
        if self._policy.is_checkpoint_due:
            await self.connection.call(self._checkpoint)
        if self._waits_for_disk and not self._policy.admit_durable_commit(units):
            written = self._inline(self._write, units, now)
            if written is not None:
                return await self.connection.call(partial(self._committed, written))
        else:
            applied = self._inline(self._apply, units, now)
            if applied is not None:
                return applied
        return await self.connection.call(SilentCall(self._apply, units, now, inline=False))

    def apply_inline(self, units: Sequence[Unit], now: int) -> Applied | None:
        """See `Inline.apply`."""
        if self._waits_for_disk and not self._policy.is_disk_quick:
            return None
        return self._inline(self._apply, units, now)

    async def take_change(self) -> bool:
        """Whether another owner has committed since the last call; then the counts are up to date again."""
        if self.connection.is_free:
            try:
                return self.connection.call_inline(partial(self._take_change, inline=True))
            except StoreUnavailable as error:
                if not error.code.startswith("SQLITE_BUSY"):
                    raise
        return await self.connection.call(partial(self._take_change, inline=False))

    async def shorten_log(self) -> None:
        """Moves a write-ahead log that became too long into the database, and cuts it off; to be called now and then.

        A reader of another program keeps it from being begun anew. When that reader has gone, perhaps no job comes.
        """
        now = time.monotonic()
        if self._guard is None or self._guard.log_size <= LARGEST_LOG or now < self._next_shortening:
            return
        try:
            await self.connection.call(self._shorten_log)
        except StoreUnavailable as error:
            _log.debug("the log could not be shortened: %s", error)
        self._next_shortening = time.monotonic() + SHORTEN_EVERY_S

    async def correct(self, findings: Findings) -> bool:
        """Puts counts right that a walk found to be wrong; returns whether it did."""
        return await self.connection.call(partial(self._correct, findings))

    async def prune_meters(self, now: int) -> None:
        """Deletes what limits by key need no more, some rows a transaction."""
        after: str | None = "" if self.ledger.limits.types else None
        while after is not None:
            after = await self.connection.call(partial(self._prune_meters, now, after))

    async def find_lost_lanes(self, now: int) -> list[str]:
        """Has lanes go on that wait for nothing, and returns them; each call looks at some, behind those before."""
        lost: list[str] = []
        for _ in range(STEPS_A_LOOK if self.ledger.limits.types else 0):
            found = await self.connection.call(partial(self._find_lost_lanes, now, self._lane))
            lost += found.lost
            self._lane = found.lane or ""
            if found.lane is None:
                break
        return lost

    async def close(self) -> None:
        """Closes the connection; what waits for a lock gives up."""
        self._is_closing = True
        await self.connection.close()

    def _inline(self, work: Callable[..., T], units: Sequence[Unit], now: int) -> T | None:
        """Does `_apply` or `_write` inline; None if it is to be done on the other thread, then nothing was done."""
        ledger = self.ledger
        if not (self.connection.is_free and self._policy.admit(units, ledger.pending)):
            return None
        if ledger.scheduled > MANY_DUE and ledger.much_comes_due(now, MANY_DUE, _LONG_UNSEEN):
            return None
        if ledger.expiries.at <= now:  # very many jobs may have expired
            return None
        started = time.perf_counter()
        try:
            return self.connection.call_inline(partial(work, units, now, inline=True))
        except StoreUnavailable as error:
            if not error.code.startswith("SQLITE_BUSY"):
                raise
            self._policy.was_refused()
            return None
        finally:
            self._policy.took(time.perf_counter() - started)

    # With a connection in hand.

    def _apply(self, units: Sequence[Unit], now: int, connection: sqlite3.Connection, *, inline: bool) -> Applied:
        """Carries the writes out, and commits them."""
        written = self._write(units, now, connection, inline=inline)
        started = time.perf_counter()
        try:
            return self._committed(written, connection)
        finally:
            if inline and self._waits_for_disk:
                self._policy.waited_for_disk(time.perf_counter() - started)

    def _write(self, units: Sequence[Unit], now: int, connection: sqlite3.Connection, *, inline: bool) -> Applied:
        """Begins a transaction and carries the writes out; it is left open."""
        self._clear(connection)
        self._policy.set(connection, inline=inline)
        try:
            return self._transact(connection, units, now, MOST_ROWS)
        except Fenced:
            return self._transact(connection, units, now, 1)

    def _transact(
        self, connection: sqlite3.Connection, units: Sequence[Unit], now: int, most_rows: int,
        check: Callable[[Transaction], object] | None = None,
    ) -> Applied:  # fmt: skip
        self._patiently("BEGIN IMMEDIATE", connection)
        try:
            is_reloaded = self._look(connection)
            self.ledger.limits.begin(connection, now)
            transaction = Transaction(connection, self._sql, self.ledger, now, most_rows)
            phases = SqlitePhases(transaction)
            transaction.due.made = NEVER
            answers = apply_units(units, phases)
            if check:
                check(transaction)
            if self.ledger.limits.types:
                self.ledger.limits.lines.wake()
            due = phases.claiming.due() if phases.claiming else AT_ONCE if is_reloaded else transaction.due.made
            transaction.flush()
            if not units:
                prove_writable(connection)
        except BaseException:
            self.ledger.discard()
            roll_back(connection)
            raise
        expires_at = transaction.expiries.at
        return Applied(
            answers, None if due == NEVER else due, None if expires_at == NEVER else expires_at, transaction.expired,
            transaction.cancelled, transaction.enqueued, transaction.has_sent,
        )  # fmt: skip

    def _committed(self, written: Applied, connection: sqlite3.Connection) -> Applied:
        """Commits what was written, and returns it."""
        try:
            self._commit(connection)
        except BaseException:
            self.ledger.discard()
            roll_back(connection)
            raise
        self.ledger.commit()  # at once, not in the caller, which may be cancelled by now
        return written

    def _checkpoint(self, connection: sqlite3.Connection) -> None:
        """Moves the write-ahead log into the database, and begins it anew: both wait for the disk."""
        is_moved = self._move_log(connection)
        self._begin_log(connection)
        self._policy.checkpointed()
        if not is_moved:  # a reader holds it up: it will begin anew some time soon, which waits for the disk
            self._policy.was_refused()

    def _shorten_log(self, connection: sqlite3.Connection) -> None:
        if self._move_log(connection):
            self._begin_log(connection)

    def _move_log(self, connection: sqlite3.Connection) -> bool:
        """Moves what readers allow of the log into the database; returns whether that was all."""
        self._policy.set(connection, inline=False)
        ((_, pages, moved),) = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        return bool(pages == moved)

    def _begin_log(self, connection: sqlite3.Connection) -> None:
        """Writes the first page of a log that was moved: SQLite cuts it off to `LARGEST_LOG` then."""
        self._patiently("BEGIN IMMEDIATE", connection)
        try:
            prove_writable(connection)
            connection.execute("COMMIT")
        except BaseException:
            roll_back(connection)
            raise

    def _correct(self, findings: Findings, connection: sqlite3.Connection) -> bool:
        is_corrected = self._alone(connection, partial(correct, connection, self._sql, findings))
        self._data_version = -1
        return is_corrected

    def _prune_meters(self, now: int, after: str, connection: sqlite3.Connection) -> str | None:
        pruned = self._alone(connection, partial(prune_meters, connection, self._sql, now, after))
        if pruned.has_changed:
            self._data_version = -1
        return pruned.meter

    def _find_lost_lanes(self, now: int, after: str, connection: sqlite3.Connection) -> LanesFound:
        found: list[LanesFound] = []
        self._clear(connection)
        self._policy.set(connection, inline=False)
        written = self._transact(
            connection, (), now, MOST_ROWS, lambda transaction: found.append(find_lost_lanes(transaction, after))
        )
        self._committed(written, connection)
        if found[0].lost:
            self._data_version = -1  # noticed as a commit of another owner: there may be jobs to claim
        return found[0]

    def _alone(self, connection: sqlite3.Connection, work: Callable[[], T]) -> T:
        """Does work in a transaction of its own."""
        self._clear(connection)
        self._policy.set(connection, inline=False)
        self._patiently("BEGIN IMMEDIATE", connection)
        try:
            done = work()
            self._commit(connection)
        except BaseException:
            roll_back(connection)
            raise
        return done

    def _clear(self, connection: sqlite3.Connection) -> None:
        """Ends what a fault has left open."""
        if connection.in_transaction:
            self.ledger.discard()
            roll_back(connection)

    def _commit(self, connection: sqlite3.Connection) -> None:
        version, self._data_version = self._data_version, -1  # should it fail, the counts must be read again
        connection.execute("COMMIT")
        if self._guard:
            self._guard.check()
        self._data_version = version

    def _look(self, connection: sqlite3.Connection) -> bool:
        """Reads the counts again if another connection has committed; returns whether it has."""
        ((version,),) = self._patiently("PRAGMA data_version", connection)
        if version == self._data_version:
            return False
        self.ledger.reload(connection)
        self._data_version = version
        self.is_noticed = self.is_in_doubt = True
        return True

    def _take_change(self, connection: sqlite3.Connection, *, inline: bool) -> bool:
        self._policy.set(connection, inline=inline)
        self._look(connection)
        if self._guard:
            self._guard.check_closely()
        is_noticed, self.is_noticed = self.is_noticed, False
        return is_noticed

    def _patiently(self, statement: str, connection: sqlite3.Connection) -> list[Any]:
        """Executes what may have to wait for another process, in short steps: a store that closes does not wait."""
        deadline = math.inf
        while True:
            try:
                return connection.execute(statement).fetchall()
            except sqlite3.OperationalError as error:
                is_busy = error.sqlite_errorname.startswith("SQLITE_BUSY")
                if not is_busy or self._is_closing or self._policy.is_inline or time.monotonic() > deadline:
                    raise
                deadline = min(deadline, time.monotonic() + BUSY_TIMEOUT_S)


def roll_back(connection: sqlite3.Connection) -> None:
    """Ends what may be open; what cannot be rolled back now, SQLite rolls back by itself."""
    if connection.in_transaction:
        try:
            connection.execute("ROLLBACK")
        except sqlite3.Error as error:
            _log.warning("rolling back failed, SQLite does it by itself: %s", error)
