"""Databases as files: what SQLite and the rows themselves say of them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path


def sound(path: Path) -> bool:
    """Whether the database at a path passes SQLite's own check, and its counts agree with its rows."""
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []
        counted = """
            SELECT type, count(*) FILTER (WHERE status = 'pending'), count(*) FILTER (WHERE status = 'processing'),
                count(*) FILTER (WHERE status = 'completed'), count(*) FILTER (WHERE status = 'dead'),
                count(*) FILTER (WHERE status = 'cancelled'),
                count(*) FILTER (WHERE status = 'pending' AND attempts > 0), count(held)
            FROM aiojobs_jobs GROUP BY type
        """
        kept = "SELECT type, pending, processing, completed, dead, cancelled, retrying, held FROM aiojobs_counts"
        tallies = {row[0]: row[1:] for row in connection.execute(kept) if any(row[1:])}
        assert {row[0]: row[1:] for row in connection.execute(counted)} == tallies
        left_behind = """
            SELECT id FROM aiojobs_jobs WHERE place IS NOT NULL AND status = 'pending' AND held IS NULL
                AND lane NOT IN (SELECT lane FROM aiojobs_lanes)
        """
        assert connection.execute(left_behind).fetchall() == []
    return True
