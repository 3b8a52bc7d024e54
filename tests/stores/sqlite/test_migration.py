"""From an earlier state of 0.1.0 to today's tables: with rows in every table and state, and when it is cut short."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite.errors import StoreRefused
from aiojobs_lite.model.counts import TypeCounts
from aiojobs_lite.model.ends import Complete
from aiojobs_lite.model.job import Held, Job, Status
from aiojobs_lite.model.queries import FindJobs, GetJob
from aiojobs_lite.model.schedules import ScheduleAnswer, SetSchedule
from aiojobs_lite.model.writes import Claim, Release
from aiojobs_lite.stores.open import open_store
from tests.helpers.stores import NOW
from tests.helpers.waiting import unmeasured

OLD_SCHEMA = (Path(__file__).parent / "schema_0_1_0.sql").read_text(encoding="utf-8")
OLD_TABLES = {"jobs", "attempts", "counts", "pauses", "schedules", "ticks"}
OWNER = "0123456789abcdef"
ROWS = f"""
    INSERT INTO jobs (id, type, payload, status, priority, scheduled_at, attempts, max_attempts, owner, created_at,
        started_at, completed_at, idempotency_key, error, reason, result, snoozes, parked, schedule, tick)
    VALUES
        (1, 'a', '{{"n": 1}}', 'pending', 0, {NOW}, 0, 5, NULL, {NOW}, NULL, NULL, 'key', NULL, NULL, NULL, 0, NULL, NULL, NULL),
        (2, 'a', '{{"n": 2}}', 'pending', 2, {NOW + 9_000_000}, 1, 5, NULL, {NOW}, {NOW}, NULL, NULL, 'E: no', NULL, NULL, 2, NULL, NULL, NULL),
        (3, 'a', '{{"n": 3}}', 'processing', 1, {NOW}, 1, 5, '{OWNER}', {NOW}, {NOW}, NULL, NULL, NULL, NULL, NULL, 0, NULL, 's', {NOW}),
        (4, 'a', '{{"n": 4}}', 'completed', 1, {NOW}, 1, 5, NULL, {NOW}, {NOW}, {NOW}, NULL, NULL, NULL, '"ok"', 0, NULL, NULL, NULL),
        (5, 'b', '{{"n": 5}}', 'dead', 1, {NOW}, 5, 5, NULL, {NOW}, {NOW}, {NOW}, NULL, 'E: no', 'all used up', NULL, 0, NULL, NULL, NULL),
        (6, 'b', '{{"n": 6}}', 'cancelled', 1, {NOW}, 0, 5, NULL, {NOW}, NULL, {NOW}, NULL, NULL, 'gone', NULL, 0, NULL, NULL, NULL),
        (7, 'b', '{{"n": 7}}', 'pending', 1, {NOW}, 0, 5, NULL, {NOW}, {NOW}, NULL, NULL, NULL, NULL, NULL, 0, 'x: too short', NULL, NULL);
    INSERT INTO attempts (job_id, attempt, outcome, started_at, ended_at, owner, error_type, message, traceback)
    VALUES (2, 1, 'failed', {NOW}, {NOW}, '{OWNER}', 'E', 'no', 'a traceback'), (5, 5, 'lost', {NOW}, {NOW}, '{OWNER}', NULL, NULL, NULL);
    INSERT INTO counts (type, pending, scheduled, retrying, parked, processing, completed, dead, cancelled, last_id, due_mark)
    VALUES ('a', 2, 0, 1, 0, 1, 1, 0, 0, 4, {NOW}), ('b', 1, 0, 0, 1, 0, 0, 1, 1, 9, {NOW});
    INSERT INTO pauses (type) VALUES ('c');
    INSERT INTO schedules (name, expression, tz, next_tick, latest_job) VALUES ('s', '0 9 * * *', 'UTC', {NOW + 60}, 3);
    INSERT INTO ticks (schedule, tick, job_id) VALUES ('s', {NOW}, 3);
    PRAGMA application_id = {0x616A6C31};
    PRAGMA user_version = 1;
"""  # noqa: E501

KILLED = """
import asyncio, os, signal, sys
from pathlib import Path
from aiojobs_lite.stores.open import open_store
from aiojobs_lite.stores.sqlite import schema

cut, left = schema.statements, int(sys.argv[2])

def statements(script):
    global left
    for statement in cut(script):
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
        yield statement

schema.statements = statements
asyncio.run(open_store(sys.argv[1], "full").open())
print("left", left)
"""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The path of a file of an earlier state of 0.1.0, closed."""
    path = tmp_path / "jobs.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL").fetchall()
        connection.executescript(OLD_SCHEMA + ROWS)
    return path


def tables(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


async def _job(store: Any, job_id: int) -> Any:
    return await store.ask(GetJob(job_id))


async def migrated(path: Path, check: Callable[[Any], Any]) -> Any:
    """What a check says of the store that opens the file."""
    store = open_store(path, "full")
    await store.open()
    try:
        return await check(store)
    finally:
        await store.close()


async def jobs_of(store: Any) -> dict[int, Job]:
    return {job.id: job for job in await store.ask(FindJobs())}


async def test_every_row_arrives_in_its_state(old: Path) -> None:
    jobs = await migrated(old, jobs_of)
    assert {job_id: job.status.value for job_id, job in jobs.items()} == {
        1: "pending", 2: "pending", 3: "processing", 4: "completed", 5: "dead", 6: "cancelled", 7: "pending",
    }  # fmt: skip
    assert {job_id: job.payload["n"] for job_id, job in jobs.items()} == {n: n for n in range(1, 8)}
    assert (jobs[1].idempotency_key, jobs[1].priority, jobs[2].priority) == ("key", "high", "low")
    assert (jobs[2].attempts, jobs[2].snoozes, jobs[2].error) == (1, 2, "E: no")
    assert (jobs[3].owner, jobs[3].schedule, jobs[4].result) == (OWNER, "s", "ok")
    assert (jobs[5].reason, jobs[6].reason) == ("all used up", "gone")
    assert (jobs[7].held, jobs[7].reason) == (Held.PAYLOAD, "x: too short")
    assert all(job.held is None for job in jobs.values() if job.id != 7)
    asked = [await migrated(old, partial(_job, job_id=job_id)) for job_id in (1, 2, 5)]
    histories = [job.history for job in asked]
    assert [[attempt.outcome.value for attempt in history] for history in histories] == [[], ["failed"], ["lost"]]
    assert histories[1][0].traceback == "a traceback"


async def test_the_old_tables_are_gone_and_the_counts_are_those_of_the_rows(old: Path) -> None:
    counts = await migrated(old, _counts)
    assert dict(counts.by_type) == {
        "a": TypeCounts(pending=2, retrying=1, processing=1, completed=1),
        "b": TypeCounts(pending=1, held=1, dead=1, cancelled=1),
    }
    assert not tables(old) & OLD_TABLES
    with closing(sqlite3.connect(old)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


async def _counts(store: Any) -> Any:
    return store.counts()


async def test_the_migrated_jobs_run_and_ids_schedules_and_pauses_go_on(old: Path) -> None:
    async def check(store: Any) -> None:
        every = Claim("two", 100, frozenset("abc"), {}, {})
        applied = await store.apply([(Release((1, 7, 99), Held.PAYLOAD),), (every,)], NOW + 10_000_000)
        released, claimed = applied.answers
        assert released == 1
        assert [job.id for job in claimed.jobs] == [1, 7, 2]
        assert (await store.apply([(Complete(3, 1, OWNER, "a"),)], NOW)).answers == [Status.COMPLETED]
        schedule = SetSchedule("s", "0 9 * * *", "UTC", NOW + 999)
        assert (await store.apply([(schedule,)], NOW)).answers == [ScheduleAnswer(NOW + 60)]
        jobs = await jobs_of(store)
        assert {jobs[n].status for n in (1, 2, 7)} == {Status.PROCESSING}

    await migrated(old, check)


@pytest.mark.slow
def test_a_migration_that_is_killed_anywhere_leaves_the_file_of_one_version(old: Path) -> None:
    before, step = old.read_bytes(), 3
    for left in (*range(random.randrange(step), 200, step), 10_000):
        old.write_bytes(before)
        for suffix in ("-wal", "-shm"):
            old.with_name(old.name + suffix).unlink(missing_ok=True)
        command = [sys.executable, "-c", KILLED, str(old), str(left)]
        done = subprocess.run(command, check=False, capture_output=True, text=True, env=_environment(), timeout=60)
        if done.returncode == 0:
            assert left > 10
            break  # it was left to its end
        assert done.returncode == -signal.SIGKILL, done.stderr
        found = tables(old)
        ours = {name.removeprefix("aiojobs_") for name in found if name.startswith("aiojobs_")}
        if found >= OLD_TABLES:
            assert not ours
        else:  # all that the first script makes, perhaps that of the next, and nothing of the last
            assert not found & OLD_TABLES
            assert ours >= {*OLD_TABLES, "meta"}
            assert ("runners" in ours, "progress" in ours) == (_schema(old) >= 2, _schema(old) >= 5)
    assert not tables(old) & OLD_TABLES


def _schema(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        ((version,),) = connection.execute("SELECT value FROM aiojobs_meta WHERE key = 'schema'").fetchall()
    return int(version)


def _environment() -> dict[str, str]:
    return {**unmeasured(), "PYTHONPATH": os.pathsep.join(sys.path)}


async def test_a_process_of_the_old_release_finds_its_tables_gone_and_breaks_nothing(old: Path) -> None:
    with closing(sqlite3.connect(old, isolation_level=None)) as process:
        insert = "INSERT INTO jobs (type, payload, status, priority, scheduled_at, max_attempts, created_at)"
        values = f"VALUES ('a', '{{}}', 'pending', 1, {NOW}, 5, {NOW})"
        process.execute(f"{insert} {values}")  # it has the statement prepared
        jobs = await migrated(old, jobs_of)
        assert len(jobs) == 8
        with pytest.raises(sqlite3.OperationalError, match="no such table: jobs"):
            process.execute(f"{insert} {values}")
        # By these two a process of the old release that opens the file now says that it is newer, and lets it be.
        assert process.execute("PRAGMA application_id").fetchall() == [(0x616A6C31,)]
        assert process.execute("PRAGMA user_version").fetchall() == [(2,)]
    assert len(await migrated(old, jobs_of)) == 8


async def test_an_old_file_without_the_tables_that_it_was_migrated_to_is_refused(old: Path) -> None:
    await migrated(old, jobs_of)
    with closing(sqlite3.connect(old, isolation_level=None)) as connection:
        names = [name for name in tables(old) if name.startswith("aiojobs_")]
        connection.executescript("".join(f"DROP TABLE {name};" for name in names))
    with pytest.raises(StoreRefused, match=r"of an earlier state, were moved"):
        await migrated(old, jobs_of)
