"""How SQLite carries out what must stay quick with a million rows: by which index, never by looking at every row."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from aiojobs_lite.model.job import Outcome, Status
from aiojobs_lite.stores import named_sql
from aiojobs_lite.stores.base import JobFilter, Store
from aiojobs_lite.stores.open import store_for
from aiojobs_lite.stores.sqlite.store import SqliteStore, _conditions
from tests.helpers.stores import NOW, at, claim, claimed, connected, end, inserted, new, running

SQL = named_sql.load("aiojobs_lite.stores.sqlite", "sqlite.sql")
_WHOLE_TABLE = re.compile(r"\bSCAN jobs\b(?! USING)")


@pytest.fixture
async def filled(database: Path) -> Path:
    """A database with a few thousand jobs, most of them to come, and every status."""
    store = store_for(database, "normal")
    await store.open()
    try:
        await _fill(store)
    finally:
        await store.close()
    return database


async def _fill(store: Store) -> None:
    done = await running(store, *(new("ab"[n % 2]) for n in range(900)))
    await store.apply([end(job) for job in done[:600]], at(1))
    await store.apply([end(job, Outcome.FAILED, status=Status.DEAD) for job in done[600:890]], at(1))
    await store.apply([end(job, Outcome.CANCELLED, status=Status.CANCELLED) for job in done[890:895]], at(1))
    for due in (-5, 5, 3600):
        await inserted(store, *(new("abc"[n % 3], priority=n % 3, due=due + n / 100) for n in range(700)))


@pytest.fixture
def connection(filled: Path) -> Iterator[sqlite3.Connection]:
    with connected(filled) as made:
        yield made


def plan(connection: sqlite3.Connection, sql: str, parameters: object = ()) -> str:
    """The plan of a statement, a line a step."""
    rows = connection.execute(f"EXPLAIN QUERY PLAN {sql}", parameters).fetchall()  # type: ignore[arg-type]
    return "\n".join(row[3] for row in rows)


@pytest.mark.parametrize("analyzed", [False, True])
@pytest.mark.parametrize(
    ("query", "count", "rows", "index"),
    [
        ("due_jobs", 6, "", "INDEX jobs_pending (type=? AND priority=? AND scheduled_at<?)"),
        ("claim_jobs", 2 + 16, "?", "jobs USING INTEGER PRIMARY KEY (rowid=?)"),
        ("finish_succeeded", 3 + 16, "?", "jobs USING INTEGER PRIMARY KEY (rowid=?)"),
        ("finish_with_results", 1 + 5 * 16, "(?, ?, ?, ?, ?)", "jobs USING INTEGER PRIMARY KEY (rowid=?)"),
        ("next_due", 3, "", "INDEX jobs_pending (type=? AND priority=?)"),
        ("became_due", 4, "", "INDEX jobs_pending (type=? AND priority=? AND scheduled_at>? AND scheduled_at<?)"),
        ("processing_of_type", 1, "", "INDEX jobs_processing (type=?)"),
        ("prunable", 3, "", "INDEX jobs_finished (status=? AND completed_at<?)"),
        ("dead_of_type", 1, "", "INDEX jobs_finished (status=? AND completed_at>?)"),
        ("redrive_dead", 2, "", "INDEX jobs_finished (status=? AND completed_at>?)"),
        ("unpark", 1, "", "INDEX jobs_parked (type=?)"),
        ("job_of_key", 2, "", "INDEX jobs_idempotency_key (type=? AND idempotency_key=?)"),
        ("standing", 1, "", "jobs USING INTEGER PRIMARY KEY (rowid=?)"),
        ("delete", 1, "", "jobs USING INTEGER PRIMARY KEY (rowid=?)"),
        ("mark_interrupted", 3, "", "jobs USING INTEGER PRIMARY KEY (rowid=?)"),
        ("cancel_requested", 1, "", "jobs USING INTEGER PRIMARY KEY (rowid=?)"),
        ("attempts_of_job", 1, "", "INDEX attempts_job (job_id=?)"),
        ("schedule_busy", 1, "", "jobs USING INTEGER PRIMARY KEY (rowid=?)"),
        ("prune_ticks", 2, "", "PRIMARY KEY (schedule=? AND tick<?)"),
    ],
)
def test_a_named_query_searches_by_its_index(
    connection: sqlite3.Connection, query: str, count: int, rows: str, index: str, analyzed: bool
) -> None:
    if analyzed:
        connection.execute("ANALYZE")
    steps = plan(connection, SQL[query].replace("{rows}", ", ".join([rows] * 16)), (1,) * count)
    assert index in steps
    assert not _WHOLE_TABLE.search(steps)


def test_finish_searches_by_id(connection: sqlite3.Connection) -> None:
    names = set(re.findall(r":(\w+)", SQL["finish"]))
    steps = plan(connection, SQL["finish"], dict.fromkeys(names, 1))
    assert steps == "SEARCH jobs USING INTEGER PRIMARY KEY (rowid=?)"


@pytest.mark.parametrize("query", ["due_jobs", "next_due", "prunable"])
def test_the_order_of_the_index_is_the_order_wanted(connection: sqlite3.Connection, query: str) -> None:
    steps = plan(connection, SQL[query], (1,) * {"due_jobs": 6, "next_due": 3, "prunable": 3}[query])
    assert "TEMP B-TREE" not in steps


@pytest.mark.parametrize("analyzed", [False, True])
@pytest.mark.parametrize(
    ("which", "index"),
    [
        (JobFilter(owner="one", status=Status.PROCESSING), "jobs_processing"),
        (JobFilter(owner="one", cancel_requested=True), "jobs_processing"),
        (JobFilter(status=Status.PROCESSING), "jobs_processing"),
        (JobFilter(type="a", status=Status.PROCESSING), "jobs_processing"),
        (JobFilter(status=Status.DEAD), "jobs_finished"),
        (JobFilter(status=Status.CANCELLED), "jobs_finished"),
        (JobFilter(ids=[1, 2, 3]), "INTEGER PRIMARY KEY (rowid=?)"),
        (JobFilter(before=100), "INTEGER PRIMARY KEY (rowid<?)"),
    ],
)
def test_jobs_that_are_few_among_many_are_found_by_an_index(
    connection: sqlite3.Connection, which: JobFilter, index: str, analyzed: bool
) -> None:
    if analyzed:
        connection.execute("ANALYZE")
    hint, where, parameters = _conditions(which)
    steps = plan(connection, SQL["jobs_where"].format(index=hint, where=where), parameters)
    assert index in steps
    assert not _WHOLE_TABLE.search(steps)


async def test_the_work_of_a_claim_does_not_grow_with_jobs_to_come(database: Path) -> None:
    """Counted in steps of SQLite's machine, not in time."""
    store = store_for(database, "normal")
    assert isinstance(store, SqliteStore)
    await store.open()
    try:
        steps = [await _steps_of_a_claim(store)]
        for due in (60, 120):
            await inserted(store, *(new(due=due, priority=n % 3) for n in range(4000)))
        steps.append(await _steps_of_a_claim(store))
    finally:
        await store.close()
    assert 0 < steps[1] < steps[0] * 3


async def _steps_of_a_claim(store: SqliteStore) -> int:
    await inserted(store, *(new() for _ in range(20)))
    steps = 0

    def step() -> int:
        nonlocal steps
        steps += 1
        return 0

    assert store._write is not None
    await store._write._connection.set_progress_handler(step, 1)
    assert len(await claimed(store, claim(slots={"a": 20}))) == 20
    await store._write._connection.set_progress_handler(None, 0)  # type: ignore[arg-type]
    return steps


def test_every_query_that_touches_jobs_is_known_here_or_needs_no_search(connection: sqlite3.Connection) -> None:
    """Only the page of all jobs and the counting may look at the whole table, and one query takes any row of it."""
    for name, sql in SQL.items():
        rows = {"claim_jobs": "1, 2", "finish_succeeded": "1, 2"}.get(name, "(1, 2, 3, 4, 5, 6, 7)")
        text = sql.replace("{rows}", rows).replace("{index}", "").replace("{where}", "1")
        names = re.findall(r":(\w+)", text)
        parameters: object = dict.fromkeys(names, 1) if names else (1,) * _arity(text)
        assert bool(_WHOLE_TABLE.search(plan(connection, text, parameters))) == (
            name in {"jobs_where", "look_at_tables", "miscounted", "recount"}
        ), name


def _arity(sql: str) -> int:
    numbered = [int(number) for number in re.findall(r"\?(\d+)", sql)]
    return max(numbered) if numbered else sql.count("?")


def test_the_instant_of_these_tests_lies_between_the_jobs(filled: Path) -> None:
    with closing(sqlite3.connect(filled)) as connection:
        sql = "SELECT scheduled_at > ?, count(*) FROM jobs WHERE status = 'pending' GROUP BY 1"
        assert dict(connection.execute(sql, (NOW,)).fetchall()) == {0: 501, 1: 1599}
