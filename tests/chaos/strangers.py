"""Other programs that have the database open: one holds the write lock, one reads for long. Each is a process."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from tests.chaos.journal import Journal
from tests.helpers.pauses import hold_thread_for

_MAY_WAIT_S: Final = 5.0  # for the lock; then this one comes to nothing


def lock(database: Path, journal: Journal, seconds: float) -> int:
    """Holds the write lock for so long, and writes nothing."""
    return _held(database, "BEGIN IMMEDIATE", ("locked", "unlocked"), journal, lambda: hold_thread_for(seconds))


def read(database: Path, journal: Journal, seconds: float) -> int:
    """Reads for so long: what is written meanwhile stays in the log."""
    return _held(database, "BEGIN", ("reading", "read"), journal, lambda: hold_thread_for(seconds))


def _held(database: Path, begin: str, notes: tuple[str, str], journal: Journal, wait: Callable[[], None]) -> int:
    with closing(sqlite3.connect(database, timeout=_MAY_WAIT_S, isolation_level=None)) as connection:
        try:
            connection.execute(begin)
            connection.execute("SELECT count(*) FROM sqlite_master").fetchall()
        except sqlite3.OperationalError:  # a stopped process holds the lock
            return 0
        journal.note(notes[0])
        wait()
        connection.execute("ROLLBACK")
        journal.note(notes[1])
    return 0
