"""Where a transaction is done: here, on the event loop's own thread, or there, on the thread of the connection.

Handing a small transaction over costs more time of the event loop than doing it. Beside a busy loop it is worse: the
other thread must win the interpreter lock back after each statement. So what is small is done here. What may wait is
not: a lock that another process holds, a checkpoint, the durable commit of a disk that is not known to be quick, or
anything for a while after one that took long.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Final

from aiojobs_lite.model.writes import Cancel, Claim, Delete, Finish, Insert, MarkInterrupted, Tick, Write

BUSY_STEP: Final = 100  # milliseconds that SQLite waits for a lock by itself, there; here it does not
_LOG: Final = 1000  # pages that the write-ahead log grows to, about: a file that grows makes a durable commit slow
_SMALL: Final = 300  # writes and rows; one or two milliseconds
_FEW: Final = 4  # writes
_LIGHT: Final = 64 * 1024  # characters of payloads and results
_LONG: Final = 0.005  # seconds; the event loop is not held up so long again soon
_LOG_EACH: Final = 4  # pages that a transaction takes at least: one of the table, of an index or two, of the counts
_ROWS_A_PAGE: Final = 16  # some more, for the indexes that a row moves between
_TEXT_A_PAGE: Final = 2000  # characters, most of which take a byte or two
_AFTER_TROUBLE: Final = 100  # transactions there
_QUICK_DISK: Final = 0.001  # seconds; a commit that takes no longer is not worth the way there and back
_SHARE: Final = 0.00002  # seconds; a slower one is made up for by so many there that its share of each is no more
_QUICK: Final = frozenset({Insert, Claim, Finish, Cancel, MarkInterrupted, Delete, Tick})


class Place:
    """Decides where each transaction of one connection is done, and sets the connection to it.

    Attributes:
        is_here: Whether the connection is set to be used here.
    """

    def __init__(self) -> None:
        self.is_here = False
        self._left_there = 0
        self._logged = 0  # pages, since the last checkpoint
        self._commits_there = 0  # yet to come

    def allows(self, writes: Sequence[Write]) -> bool:
        """Whether the next transaction, of these writes, may be done here."""
        if self._left_there:
            self._left_there -= 1
            return False
        if self.is_checkpoint_due:
            return False
        size, text = _size(writes)
        if size > _SMALL or text > _LIGHT:
            return False
        self._logged += _LOG_EACH + size // _ROWS_A_PAGE + text // _TEXT_A_PAGE
        return True

    @property
    def is_checkpoint_due(self) -> bool:
        """Whether the write-ahead log has grown for long enough."""
        return self._logged >= _LOG

    def checkpointed(self) -> None:
        """The write-ahead log was checkpointed, and begun anew."""
        self._logged = 0

    def took(self, seconds: float) -> None:
        """A transaction here took so long."""
        if seconds > _LONG:
            self._left_there = _AFTER_TROUBLE

    def was_refused(self) -> None:
        """A transaction here found the database locked."""
        self._left_there = _AFTER_TROUBLE

    @property
    def is_disk_quick(self) -> bool:
        """Whether a durable commit may be done here, as far as is known."""
        return not self._commits_there

    def allows_durable_commit(self, writes: Sequence[Write]) -> bool:
        """Whether the next commit, of these writes, may wait for the disk here: many gain by what goes on meanwhile."""
        if self._commits_there:
            self._commits_there -= 1
            return False
        return len(writes) <= _FEW

    def waited_for_disk(self, seconds: float) -> None:
        """A durable commit here took so long."""
        if seconds > _QUICK_DISK:
            self._commits_there = round(seconds / _SHARE)

    def set(self, connection: sqlite3.Connection, *, here: bool) -> None:
        """Sets what SQLite may wait for."""
        if here is not self.is_here:
            connection.execute(f"PRAGMA busy_timeout = {0 if here else BUSY_STEP}")
            connection.execute(f"PRAGMA wal_autocheckpoint = {0 if here else _LOG}")
            self.is_here = here


def _size(writes: Sequence[Write]) -> tuple[int, int]:
    """How many rows the writes are about at most, and how many characters of text they bring; more rows than is small
    if one of them may take long by itself. What comes after so many is not looked at.
    """
    size, text = 0, 0
    for write in writes:
        if type(write) not in _QUICK:
            return _SMALL + 1, 0
        size += 1
        if type(write) is Finish:
            if write.result is not None:
                text += len(write.result)
            if write.failure is not None:  # more statements, and a traceback
                size += 2
                text += len(write.failure.traceback or "")
        elif type(write) is Insert:
            size += len(write.rows) - 1
            if size > _SMALL:
                break
            for row in write.rows:
                text += len(row.payload)
        elif type(write) is Claim and write.look_at:
            size += write.limit
    return size, text
