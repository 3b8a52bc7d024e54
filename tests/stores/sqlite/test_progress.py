"""How reports lie in the file: few rows, none without a report, none left behind, by index."""

from __future__ import annotations

from pathlib import Path

import pytest

from aiojobs_lite.model.progress import GetLog, JobLog
from aiojobs_lite.model.writes import Prune
from aiojobs_lite.sizes import MOST_LOG_LINES
from aiojobs_lite.stores.sqlite.rows import load_sql
from aiojobs_lite.stores.sqlite.store import SqliteStore
from aiojobs_lite.stores.sqlite.transaction import ID_ROW
from tests.helpers.conformance.progress import report
from tests.helpers.stores import at, complete, connected, new, one, running


def sizes(path: Path) -> list[int]:
    """How many characters each row of a log has."""
    with connected(path) as connection:
        return [size for (size,) in connection.execute("SELECT length(lines) FROM aiojobs_logs ORDER BY last_line")]


async def test_the_lines_of_many_reports_lie_in_few_rows(store: SqliteStore, database: Path) -> None:
    (job,) = await running(store, new())
    for serial in range(1, MOST_LOG_LINES + 200):
        await one(store, report(job, serial, f"line {serial}"))
    assert len(sizes(database)) < 20
    assert max(sizes(database)) < 4_000
    log = await store.ask(GetLog(job.id))
    assert [line.text for line in log.lines] == [f"line {number}" for number in range(200, MOST_LOG_LINES + 200)]


async def test_nothing_is_left_of_a_job_that_is_pruned(store: SqliteStore, database: Path) -> None:
    (job,) = await running(store, new())
    await one(store, report(job, 1, "a", far=0.5))
    await one(store, complete(job))
    assert await one(store, Prune(at(9), at(9), at(0), 9), 10) == 1
    with connected(database) as connection:
        for table in ("aiojobs_progress", "aiojobs_logs"):
            assert connection.execute(f"SELECT count(*) FROM {table}").fetchall() == [(0,)]


async def test_rows_that_another_program_has_written_do_no_harm(store: SqliteStore, database: Path) -> None:
    (job,) = await running(store, new())
    await one(store, report(job, 1, "a"))
    for odd in ("no JSON", "5", "[5]", '[[1, 2, "x"], null]', "[[1e99, 1, 2]]", "[" * 5_000):
        with connected(database) as connection:
            connection.execute("UPDATE aiojobs_logs SET lines = ?", (odd,))
        assert await store.ask(GetLog(job.id)) == JobLog((), 1)


@pytest.mark.parametrize(
    ("query", "steps"),
    [
        ("may_report", "aiojobs_jobs USING INTEGER PRIMARY KEY (rowid=?)"),
        ("standings", "aiojobs_jobs USING INTEGER PRIMARY KEY (rowid=?)"),
        ("standings", "aiojobs_progress USING INTEGER PRIMARY KEY (rowid=?)"),
        ("standings", "COVERING INDEX aiojobs_logs_job (job_id=?)"),
        ("job", "aiojobs_progress USING INTEGER PRIMARY KEY (rowid=?)"),
        ("end_of_log", "INDEX aiojobs_logs_job (job_id=?)"),
        ("log_after", "INDEX aiojobs_logs_job (job_id=? AND last_line>?)"),
        ("forget_lines", "INDEX aiojobs_logs_job (job_id=? AND last_line<?)"),
        ("delete_logs", "INDEX aiojobs_logs_job (job_id=?)"),
        ("delete_progress", "INTEGER PRIMARY KEY (rowid=?)"),
        ("ends_of_logs", "COVERING INDEX aiojobs_logs_job (job_id=?)"),
    ],
)
async def test_a_query_searches_by_its_index(store: SqliteStore, database: Path, query: str, steps: str) -> None:
    sql = load_sql()[query].replace("{rows}", ID_ROW).replace("{ids}", "1, 2")
    for name in ("goes_with_end", "id", "attempt", "owner"):
        sql = sql.replace(f":{name}", "1")
    with connected(database) as connection:
        found = connection.execute(f"EXPLAIN QUERY PLAN {sql}", (1,) * sql.count("?")).fetchall()
    plan = "\n".join(row[3] for row in found)
    assert steps in plan
    assert "TEMP B-TREE" not in plan
