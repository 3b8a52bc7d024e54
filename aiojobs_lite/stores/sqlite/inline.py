"""Whether a transaction is done inline (on the event loop's own thread) or on the thread of the connection.

Handing a small transaction over costs more time of the event loop than doing it. Beside a busy loop it is worse: the
other thread must win the interpreter lock back after each statement. So what is small is done inline. What may wait is
not: a lock that another process holds, a checkpoint, the durable commit of a disk that is not known to be quick, or
anything for a while after one that took long.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import chain
from operator import attrgetter
from typing import Any, Final

from aiojobs_lite.model.admission import Admit
from aiojobs_lite.model.batches import InsertInBatch
from aiojobs_lite.model.ends import Again, Close, Complete
from aiojobs_lite.model.figures import AddFigures
from aiojobs_lite.model.schedules import FireTick
from aiojobs_lite.model.steps import NewStep, SaveRan, SaveSteps, StartChild
from aiojobs_lite.model.writes import CancelJob, Claim, DeleteJob, Insert, MarkInterrupted, Unit

BUSY_STEP_MS: Final = 100  # that SQLite waits for a lock by itself on the other thread; inline it does not
LOG_PAGES: Final = 1000  # that the write-ahead log grows to, about: a file that grows makes a durable commit slow
_MOST_ROWS: Final = 300  # writes and rows of an inline transaction; one or two milliseconds
_MOST_DURABLE_UNITS: Final = 4  # of an inline transaction whose commit waits for the disk
_MOST_TEXT: Final = 64 * 1024  # characters of payloads and results
LONG_INLINE_S: Final = 0.005  # an inline transaction that takes longer is not repeated soon
LOG_PAGES_EACH: Final = 4  # that a transaction takes at least: of the table, of an index or two, of the counts
_ROWS_A_PAGE: Final = 16  # some more, for the indexes that a row moves between
_TEXT_A_PAGE: Final = 2000  # characters, most of which take a byte or two
_AFTER_TROUBLE: Final = 100  # transactions on the other thread
QUICK_DISK_S: Final = 0.001  # a commit that takes no longer is not worth the way to the other thread and back
_SHARE_S: Final = 0.00002  # a slower commit is made up for by so many there that its share of each is no more
_MEMO: Final = attrgetter("memo")
_STATEMENTS_EACH: Final = 3  # for a job with conditions, those that look at them among them
_QUICK: Final = frozenset(
    {
        Insert, InsertInBatch, Admit, Claim, Complete, Again, Close, CancelJob, MarkInterrupted, DeleteJob, FireTick,
        SaveRan, SaveSteps, StartChild, AddFigures,
    }
)  # fmt: skip


class InlinePolicy:
    """Decides where each transaction of one connection is done, and sets the connection to it.

    Attributes:
        is_inline: Whether the connection is set to be used inline.
    """

    def __init__(self) -> None:
        self.is_inline = False
        self._left_to_thread = 0
        self._logged = 0  # pages, since the last checkpoint
        self._commits_to_thread = 0

    def admit(self, units: Sequence[Unit], pending: int) -> bool:
        """Takes the next transaction in, if it may be done inline; returns whether it may.

        Args:
            units: What it applies.
            pending: How many jobs its claim could find at most.
        """
        if self._left_to_thread:
            self._left_to_thread -= 1
            return False
        if self.is_checkpoint_due:
            return False
        size, text = _size(units, pending)
        if size > _MOST_ROWS or text > _MOST_TEXT:
            return False
        self._logged += LOG_PAGES_EACH + size // _ROWS_A_PAGE + text // _TEXT_A_PAGE
        return True

    @property
    def is_checkpoint_due(self) -> bool:
        """Whether the write-ahead log has grown for long enough."""
        return self._logged >= LOG_PAGES

    @property
    def is_disk_quick(self) -> bool:
        """Whether a durable commit may be done inline, as far as is known."""
        return not self._commits_to_thread

    def admit_durable_commit(self, units: Sequence[Unit]) -> bool:
        """Takes the next durable commit in, if it may wait for the disk inline; many gain by what goes on meanwhile."""
        if self._commits_to_thread:
            self._commits_to_thread -= 1
            return False
        return len(units) <= _MOST_DURABLE_UNITS and not any(map(_has_many_steps, units))

    def checkpointed(self) -> None:
        """Notes that the write-ahead log was checkpointed, and begun anew."""
        self._logged = 0

    def took(self, seconds: float) -> None:
        """Notes how long an inline transaction took."""
        if seconds > LONG_INLINE_S:
            self._left_to_thread = _AFTER_TROUBLE

    def was_refused(self) -> None:
        """Notes that an inline transaction found the database locked."""
        self._left_to_thread = _AFTER_TROUBLE

    def waited_for_disk(self, seconds: float) -> None:
        """Notes how long an inline durable commit took."""
        if seconds > QUICK_DISK_S:
            self._commits_to_thread = round(seconds / _SHARE_S)

    def set(self, connection: sqlite3.Connection, *, inline: bool) -> None:
        """Sets what SQLite may wait for."""
        if inline is not self.is_inline:
            connection.execute(f"PRAGMA busy_timeout = {0 if inline else BUSY_STEP_MS}")
            connection.execute(f"PRAGMA wal_autocheckpoint = {0 if inline else LOG_PAGES}")
            self.is_inline = inline


def _size(units: Sequence[Unit], pending: int) -> tuple[int, int]:
    """How many rows the writes are about at most, and how many characters of text they bring; more rows than is small
    if one of them may take long by itself. What comes after so many is not looked at.
    """
    size, text = 0, 0
    write: Any  # its kind says what it has
    for write in chain.from_iterable(units):
        kind = type(write)
        if kind not in _QUICK:
            return _MOST_ROWS + 1, 0
        size += 1
        if kind is Complete:
            if write.result is not None:
                text += len(write.result)
        elif kind is Insert or kind is InsertInBatch:
            size += len(write.rows) - 1
            if size > _MOST_ROWS:
                break
            for row in write.rows:
                text += len(row.payload)
        elif kind is Claim:
            size += min(write.limit, pending)
        elif kind is SaveSteps:
            size += len(write.steps) - 1
            text += _text_of(write.steps)
        elif kind in _SIZES:
            rows, chars = _SIZES[kind](write)
            size += rows - 1
            if size > _MOST_ROWS:
                break
            text += chars
        elif (kind is Again or kind is Close) and write.failure is not None:  # more statements, and a traceback
            size += 2
            text += len(write.failure.traceback or "")
    return size, text


def _size_of_admit(write: Any) -> tuple[int, int]:
    return _STATEMENTS_EACH * len(write.rows), sum([len(candidate.row.payload) for candidate in write.rows])


def _text_of(steps: Iterable[NewStep]) -> int:
    text = 0
    for step in steps:
        if step.memo is not None:
            text += len(step.memo)
        if step.error is not None:
            text += len(step.error)
    return text


def _has_many_steps(unit: Unit) -> bool:
    """Whether it has steps of many attempts."""
    return any(type(write) is SaveRan and len(write.steps) > _MOST_DURABLE_UNITS for write in unit)


def _size_of_ran(write: Any) -> tuple[int, int]:
    return len(write.steps), sum(map(len, map(_MEMO, write.steps)))


def _size_of_child(write: Any) -> tuple[int, int]:
    return 2 * _STATEMENTS_EACH, len(write.child.row.payload)


def _size_of_figures(write: Any) -> tuple[int, int]:
    return 2 * (len(write.ends) + len(write.durations)), 0


_SIZES: Final[Mapping[type, Callable[[Any], tuple[int, int]]]] = {
    AddFigures: _size_of_figures,
    Admit: _size_of_admit,
    SaveRan: _size_of_ran,
    StartChild: _size_of_child,
}
