"""The limit: sqlite3 with the same table and indexes, the same group commit, and nothing else.

No validation, no counts, no fence, no history, no trigger. What Python can do with SQLite at most is what we compare
with.
"""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import closing, contextmanager
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Any

import aiosqlite

GROUP = 100  # jobs a transaction, as many as there are producers

_INSERT = """
    INSERT INTO aiojobs_jobs (type, payload, status, priority, scheduled_at, max_attempts, created_at)
    VALUES ('noop', ?, 'pending', 1, ?, 5, ?)
"""
_CLAIM = """
    UPDATE aiojobs_jobs SET status = 'processing', owner = 'bare', started_at = ?, attempts = attempts + 1
    WHERE id IN (
        SELECT id FROM aiojobs_jobs
        WHERE status = 'pending' AND held IS NULL AND type = 'noop' AND priority = 1 AND scheduled_at <= ?
        ORDER BY scheduled_at, id LIMIT ?
    )
    RETURNING id, payload
"""
_FINISH = """
    UPDATE aiojobs_jobs SET status = 'completed', owner = NULL, completed_at = ?
    WHERE id = ? AND attempts = 1 AND owner = 'bare' AND status = 'processing'
"""


def end_to_end(path: Path, durability: str, jobs: int, payload: str = '{"n":1}') -> float:
    """Inserts, claims and finishes `jobs` rows on one thread, 100 a transaction; returns jobs per second."""
    with _opened(path, durability) as connection:
        started = time.perf_counter()
        for _ in range(0, jobs, GROUP):
            now = time.time_ns() // 1000
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(_INSERT, [(payload, now, now)] * GROUP)
            claimed = connection.execute(_CLAIM, (now, now, GROUP)).fetchall()
            connection.executemany(_FINISH, [(now, job_id) for job_id, _ in claimed])
            connection.execute("COMMIT")
        return jobs / (time.perf_counter() - started)


def inserts(path: Path, durability: str, jobs: int, at_once: int) -> float:
    """Inserts `jobs` rows on one thread, `at_once` a transaction; returns jobs per second."""
    with _opened(path, durability) as connection:
        started = time.perf_counter()
        for first in range(0, jobs, at_once):
            now = time.time_ns() // 1000
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(_INSERT, [(f'{{"n":{n}}}', now, now) for n in range(first, first + at_once)])
            connection.execute("COMMIT")
        return jobs / (time.perf_counter() - started)


async def inserts_with_hop(path: Path, durability: str, jobs: int) -> float:
    """Inserts `jobs` rows one by one from an event loop, each with one hop to the thread of aiosqlite."""
    async with aiosqlite.connect(path, isolation_level=None) as connection:
        hop: Callable[..., Coroutine[Any, Any, None]] = connection._execute
        await hop(partial(_prepare, durability=durability), connection._conn)
        started = time.perf_counter()
        for n in range(jobs):
            await hop(_insert_one, connection._conn, f'{{"n":{n}}}')
        return jobs / (time.perf_counter() - started)


def _insert_one(connection: sqlite3.Connection, payload: str) -> None:
    now = time.time_ns() // 1000
    connection.execute("BEGIN IMMEDIATE")
    connection.execute(_INSERT, (payload, now, now))
    connection.execute("COMMIT")


def inserts_one_by_one(path: Path, durability: str, jobs: int) -> float:
    """The same, for callers without an event loop of their own."""
    return asyncio.run(inserts_with_hop(path, durability, jobs))


@contextmanager
def _opened(path: Path, durability: str) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        _prepare(connection, durability)
        yield connection


def _prepare(connection: sqlite3.Connection, durability: str) -> None:
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute(f"PRAGMA synchronous = {durability}")
    connection.executescript(_schema())
    connection.execute("DROP TRIGGER aiojobs_jobs_transition")  # a guard of the library: the limit goes without


def _schema() -> str:
    """The first schema of the library: the same table, the same indexes."""
    return (files("aiojobs_lite.stores.sqlite") / "migrations" / "0001_initial.sql").read_text()
