"""Looks for counts that other programs have made wrong: a walk through all jobs, in short steps, that delays nothing.

The walk has a connection of its own, in one read transaction, so that it sees one instant. What it finds is added to
the counts in one small transaction: to count many rows while no other program may write would take many seconds.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from operator import sub
from typing import Final, NamedTuple

from aiojobs_lite.model.counts import TypeCounts
from aiojobs_lite.model.job import PRIORITIES
from aiojobs_lite.stores.sqlite.connection import Connection, carry_out
from aiojobs_lite.stores.sqlite.due import NEVER
from aiojobs_lite.stores.sqlite.file import size_of
from aiojobs_lite.stores.sqlite.rows import Sql

LONGEST_STEP_S: Final = 0.05  # a step that takes longer is followed by a smaller one
_FIRST_STEP: Final = 100  # rows
MOST_LOG: Final = 64 * 2**20  # bytes that the log may grow by while the walk keeps it from being begun anew


class Correction(NamedTuple):
    """What the counts of one type lack.

    Attributes:
        type: The type.
        lacking: What is to be added to each count.
        last_id: The highest id among its jobs.
        due_mark: As of when its scheduled jobs were counted, if it has no counts yet.
        due: The earliest claimable job of each priority.
    """

    type: str
    lacking: TypeCounts
    last_id: int
    due_mark: int
    due: tuple[int, ...]


class Findings(NamedTuple):
    """What a walk found.

    Attributes:
        corrections: The types whose counts are wrong.
        number: How often counts had been put right before it: two owners may have found the same.
    """

    corrections: list[Correction]
    number: int


class _Sums:
    """What a walk has counted of one type so far."""

    def __init__(self) -> None:
        self.counts = [0] * 8
        self.last_id = 0
        self.due = [NEVER] * 3

    def add(self, counts: tuple[int, ...], last_id: int, due: tuple[int | None, ...]) -> None:
        self.counts = [have + more for have, more in zip(self.counts, counts, strict=True)]
        self.last_id = max(self.last_id, last_id)
        self.due = [min(have, NEVER if at is None else at) for have, at in zip(self.due, due, strict=True)]


class Walk:
    """Walks through all jobs of a database, at one instant of it.

    Args:
        database: The path of the database.
        sql: The named queries.
        now: The instant in microseconds.
        is_wanted: Asked between the steps whether to go on.
    """

    def __init__(self, database: str, sql: Sql, now: int, is_wanted: Callable[[], bool]) -> None:
        self._database = database
        self._sql = sql
        self._now = now
        self._is_wanted = is_wanted
        self._connection: Connection | None = None
        self._found: dict[str, _Sums] = {}
        self._after = -(2**63)
        self._step = _FIRST_STEP

    async def run(self, most_log: int) -> Findings | None:
        """Walks to the end; None if it was given up: it is not wanted any more, or the log grew by more than `most_log`
        bytes meanwhile.

        Raises:
            StoreUnavailable: If it cannot be read now.
        """
        try:
            await carry_out(self._connect())
            connection = self._connection
            assert connection is not None  # noqa: S101  # for mypy
            stored, number = await connection.call(self._begin)
            log = size_of(f"{self._database}-wal")
            while self._is_wanted() and size_of(f"{self._database}-wal") - log <= most_log:
                if not await connection.call(self._take_step):
                    return Findings(self._compare(stored), number)
            return None
        finally:
            if self._connection is not None:
                await carry_out(self._connection.close())

    async def _connect(self) -> None:
        self._connection = await Connection.connect(self._database, is_urgent=False)

    def _begin(self, connection: sqlite3.Connection) -> tuple[dict[str, tuple[int, ...]], int]:
        """Fixes the instant; returns the counts and bounds as they are stored, and the number of corrections."""
        connection.execute("PRAGMA query_only = ON")
        connection.execute("PRAGMA wal_autocheckpoint = 0")
        connection.execute("BEGIN")
        rows = connection.execute(self._sql["counts"]).fetchall()
        ((number,),) = connection.execute(self._sql["corrections"]).fetchall()
        return {row[0]: (*row[1:9], *row[11:]) for row in rows}, number

    def _take_step(self, connection: sqlite3.Connection) -> bool:
        """Counts the next jobs; returns whether there were any."""
        started = time.perf_counter()
        parameters = {"now": self._now, "after": self._after, "limit": self._step}
        rows = connection.execute(self._sql["counted_range"], parameters).fetchall()
        for row in rows:
            self._found.setdefault(row[0], _Sums()).add(row[1:9], row[9], row[10:13])
        self._after = max((row[9] for row in rows), default=self._after)
        took = time.perf_counter() - started
        self._step = max(1, self._step // 2) if took > LONGEST_STEP_S else self._step
        if took < LONGEST_STEP_S / 4:
            self._step *= 2
        return bool(rows)

    def _compare(self, stored: dict[str, tuple[int, ...]]) -> list[Correction]:
        corrections = []
        for job_type in {*stored, *self._found}:
            sums, before = self._found.get(job_type, _Sums()), stored.get(job_type, (*[0] * 8, *[NEVER] * 3))
            lacking = TypeCounts(*map(sub, sums.counts, before[:8]))
            is_late = any(found < bound for found, bound in zip(sums.due, before[8:], strict=True))
            if any(lacking) or is_late or (job_type not in stored and sums.last_id):
                corrections.append(Correction(job_type, lacking, sums.last_id, self._now, tuple(sums.due)))
        return corrections


def correct(connection: sqlite3.Connection, sql: Sql, findings: Findings) -> bool:
    """Puts the counts right, in an open transaction; not if that was done since the walk began. Returns whether it did.

    What is wrong by so much stays wrong by so much, whatever moves meanwhile: each transaction adds what it moves.
    """
    ((number,),) = connection.execute(sql["corrections"]).fetchall()
    if number != findings.number:
        return False
    for one in findings.corrections:
        due = {f"due_{name}": one.due[priority] for name, priority in PRIORITIES.items()}
        known = {"type": one.type, "last_id": one.last_id, "due_mark": one.due_mark}
        connection.execute(sql["correct_counts"], {**known, **one.lacking._asdict(), **due})
    connection.execute(sql["note_correction"], (number + 1,))
    return True
