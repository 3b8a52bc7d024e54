"""The ends of attempts: those that succeeded many a statement, all others one by one, and none that is not owned."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite.model.ends import End
from aiojobs_lite.model.job import Claimed, Outcome, Status
from aiojobs_lite.model.writes import CancelJob, MarkInterrupted
from aiojobs_lite.sizes import MOST_ATTEMPTS_KEPT
from aiojobs_lite.stores.sqlite.counts import Ledger
from aiojobs_lite.stores.sqlite.ends import end, mark_interrupted
from aiojobs_lite.stores.sqlite.rows import load_sql
from aiojobs_lite.stores.sqlite.transaction import MOST_ROWS, Fenced, Transaction
from tests.helpers.sqlite_store import FaultyConnection, opened
from tests.helpers.stores import NOW, again, at, close, complete, connected, hold, new, one, running

COUNT = 8
Begin = Callable[..., Transaction]


@pytest.fixture
async def jobs(database: Path) -> list[Claimed]:
    """Jobs that an owner runs; the first is asked to cancel."""
    async with opened(database) as store:
        found = await running(store, *(new() for _ in range(COUNT)))
        await one(store, CancelJob(found[0].id, "no more"))
    return found


@pytest.fixture
async def connection(database: Path, jobs: list[Claimed]) -> AsyncIterator[sqlite3.Connection]:
    """A connection whose transaction is rolled back at the end."""
    with connected(database) as made:
        made.execute("BEGIN")
        yield made
        made.execute("ROLLBACK")


@pytest.fixture
def begin(connection: sqlite3.Connection) -> Begin:
    """Begins a transaction as the writer does."""

    def made(most_rows: int = MOST_ROWS, on: Any = connection) -> Transaction:
        sql = load_sql()
        ledger = Ledger(sql)
        ledger.reload(connection)
        ledger.limits.begin(connection, NOW)
        return Transaction(on, sql, ledger, NOW, most_rows)

    return made


def row(connection: sqlite3.Connection, job: Claimed, *columns: str) -> Any:
    """What stands in columns of a job."""
    return connection.execute(f"SELECT {', '.join(columns)} FROM aiojobs_jobs WHERE id = ?", (job.id,)).fetchone()


def test_those_that_succeeded_go_many_a_statement(
    connection: sqlite3.Connection, jobs: list[Claimed], begin: Begin
) -> None:
    noting = FaultyConnection(connection)
    transaction = begin(on=noting)
    ends = [*map(complete, jobs[:4]), *(complete(job, f'"{job.id}"') for job in jobs[4:])]
    answers = end(transaction, ends)
    assert answers == [Status.COMPLETED] * COUNT
    assert len(noting.statements) == 2  # without results, and with
    assert [row(connection, job, "status", "result") for job in jobs[3:5]] == [
        ("completed", None),
        ("completed", '"5"'),
    ]
    tally = transaction.tally("a")
    assert (tally.processing, tally.completed) == (0, COUNT)


def test_an_end_that_is_not_owned_among_several_has_the_transaction_run_again(
    jobs: list[Claimed], begin: Begin
) -> None:
    ends = [complete(jobs[1]), complete(jobs[2]._replace(id=99)), complete(jobs[3])]
    with pytest.raises(Fenced):
        end(begin(), ends)


def test_row_by_row_the_end_that_is_not_owned_is_left_out(
    connection: sqlite3.Connection, jobs: list[Claimed], begin: Begin
) -> None:
    transaction = begin(most_rows=1)
    stale = jobs[2]._replace(id=99)
    assert end(transaction, [complete(jobs[1]), complete(stale), again(stale), close(stale), complete(jobs[3])]) == [
        Status.COMPLETED, None, None, None, Status.COMPLETED,
    ]  # fmt: skip
    assert transaction.tally("a").processing == COUNT - 2
    assert connection.execute("SELECT count(*) FROM aiojobs_attempts").fetchone() == (0,)


def test_the_answers_are_in_the_order_of_the_ends_and_a_success_goes_first(jobs: list[Claimed], begin: Begin) -> None:
    _, job, other, last = jobs[:4]
    ends: list[End] = [close(job), again(other), complete(job), complete(last)]
    assert end(begin(), ends) == [None, Status.PENDING, Status.COMPLETED, Status.COMPLETED]


@pytest.mark.parametrize(
    ("outcome", "fields", "expected"),
    [
        (Outcome.FAILED, {}, (1, 0, 0, 0)),
        (Outcome.INTERRUPTED, {"refund": True}, (0, 1, 0, 0)),
        (Outcome.SNOOZED, {"refund": True}, (0, 0, 1, 0)),
        (Outcome.LOST, {}, (1, 0, 0, 1)),
    ],
)
def test_an_attempt_that_is_to_be_made_again_moves_the_counter_of_its_outcome(
    connection: sqlite3.Connection, jobs: list[Claimed], begin: Begin, outcome: Outcome, fields: dict[str, Any],
    expected: tuple[int, ...],
) -> None:  # fmt: skip
    transaction, job = begin(), jobs[1]
    assert end(transaction, [again(job, outcome, scheduled_at=at(5), **fields)]) == [Status.PENDING]
    assert row(connection, job, "attempts", "interruptions", "snoozes", "crashes") == expected
    assert row(connection, job, "status", "owner", "scheduled_at") == ("pending", None, at(5))
    tally = transaction.tally("a")
    assert (tally.processing, tally.pending) == (COUNT - 1, 1)
    assert transaction.due.earliest_by_type() == {"a": at(5)}
    recorded = connection.execute("SELECT job_id, outcome FROM aiojobs_attempts").fetchall()
    assert recorded == [(job.id, outcome)]


def test_a_job_that_is_held_is_no_attempt_and_is_not_due(
    connection: sqlite3.Connection, jobs: list[Claimed], begin: Begin
) -> None:
    transaction, job = begin(), jobs[1]
    assert end(transaction, [hold(job)]) == [Status.PENDING]
    assert row(connection, job, "attempts", "snoozes", "held") == (0, 0, "payload")
    assert (transaction.tally("a").held, transaction.due.earliest_by_type()) == (1, {})
    assert connection.execute("SELECT count(*) FROM aiojobs_attempts").fetchone() == (0,)


def test_a_job_that_is_asked_to_cancel_is_not_tried_again(
    connection: sqlite3.Connection, jobs: list[Claimed], begin: Begin
) -> None:
    transaction, job = begin(), jobs[0]
    assert end(transaction, [again(job)]) == [Status.CANCELLED]
    assert row(connection, job, "status", "reason") == ("cancelled", "no more")
    assert (transaction.tally("a").cancelled, transaction.due.earliest_by_type()) == (1, {})


def test_the_newest_attempts_of_each_outcome_are_kept(
    connection: sqlite3.Connection, jobs: list[Claimed], begin: Begin
) -> None:
    job = jobs[1]
    for number in range(MOST_ATTEMPTS_KEPT + 3):
        end(begin(), [again(job, reason=f"{number}", failure=None)])
        connection.execute("UPDATE aiojobs_jobs SET status = 'processing', owner = 'one', attempts = 1 WHERE id = 2")
    end(begin(), [again(job, Outcome.LOST)])
    kept = connection.execute("SELECT message FROM aiojobs_attempts WHERE outcome = 'failed' ORDER BY id").fetchall()
    assert [int(message) for (message,) in kept] == list(range(3, MOST_ATTEMPTS_KEPT + 3))
    assert connection.execute("SELECT count(*) FROM aiojobs_attempts WHERE outcome = 'lost'").fetchone() == (1,)


def test_only_its_owner_marks_an_attempt_as_interrupted(
    connection: sqlite3.Connection, jobs: list[Claimed], begin: Begin
) -> None:
    job = jobs[1]
    assert not mark_interrupted(begin(), MarkInterrupted(job.id, job.attempt, "two"))
    assert not mark_interrupted(begin(), MarkInterrupted(job.id, job.attempt + 1, job.owner))
    assert row(connection, job, "interrupted") == (0,)
    assert mark_interrupted(begin(), MarkInterrupted(job.id, job.attempt, job.owner))
    assert row(connection, job, "interrupted") == (1,)


async def test_only_attempts_that_failed_are_listed_by_time(database: Path) -> None:
    """A page costs its size, however many others were given back."""
    async with opened(database) as store:
        failed, snoozed, bare = await running(store, new(metadata="{}"), new(metadata="{}"), new())
        await one(store, again(failed, outcome=Outcome.FAILED))
        await one(store, again(snoozed, outcome=Outcome.SNOOZED))
        await one(store, again(bare, outcome=Outcome.FAILED))
    with connected(database) as connection:
        found = connection.execute("SELECT job_id FROM aiojobs_attempts WHERE type IS NOT NULL").fetchall()
    assert found == [(failed.id,)]
