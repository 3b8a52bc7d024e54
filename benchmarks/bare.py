"""The limit: one thread of sqlite3 that does the same group commit on the same table and indexes, and nothing else."""

from __future__ import annotations

import sqlite3
import time
from contextlib import closing
from importlib.resources import files
from pathlib import Path

GROUP = 100  # jobs a transaction, as many as there are producers

_INSERT = """
    INSERT INTO jobs (type, payload, status, priority, scheduled_at, max_attempts, created_at)
    VALUES ('noop', ?, 'pending', 1, ?, 5, ?)
"""
_CLAIM = """
    UPDATE jobs SET status = 'processing', owner = 'bare', started_at = ?, attempts = attempts + 1
    WHERE id IN (
        SELECT id FROM jobs
        WHERE status = 'pending' AND parked IS NULL AND type = 'noop' AND priority = 1 AND scheduled_at <= ?
        ORDER BY scheduled_at, id LIMIT ?
    )
    RETURNING id, payload
"""
_FINISH = """
    UPDATE jobs SET status = 'completed', owner = NULL, completed_at = ?
    WHERE id = ? AND attempts = 1 AND owner = 'bare' AND status = 'processing'
"""


def jobs_per_second(path: Path, durability: str, jobs: int) -> float:
    """Inserts, claims and finishes `jobs` rows, one group a transaction; returns jobs per second."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {durability}")
        connection.executescript(_schema())
        connection.execute("DROP TRIGGER jobs_transition")  # a guard of the library: the limit goes without
        started = time.perf_counter()
        for first in range(0, jobs, GROUP):
            now = time.time_ns() // 1000
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(_INSERT, [(f'{{"n":{n}}}', now, now) for n in range(first, first + GROUP)])
            claimed = connection.execute(_CLAIM, (now, now, GROUP)).fetchall()
            connection.executemany(_FINISH, [(now, job_id) for job_id, _ in claimed])
            connection.execute("COMMIT")
        return jobs / (time.perf_counter() - started)


def _schema() -> str:
    """The first schema of the library: the same table, the same indexes."""
    return (files("aiojobs_lite") / "stores" / "migrations" / "sqlite" / "0001_initial.sql").read_text()
