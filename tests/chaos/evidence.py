"""What a run has left, in the form in which it is judged: the journal, and the rows of the database."""

from __future__ import annotations

import json
import math
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from aiojobs_lite.clock import MICROSECONDS
from tests.chaos.clocks import Era, eras_of, instant_of
from tests.chaos.journal import Record, read


class JobRow(NamedTuple):
    """A job as it stands in the end.

    - `call` is the enqueue that made it; None if a schedule or a batch did, or if it may have been put off.
    - `latest` is the enqueue that gave a job its arguments that may have been put off.
    - `batch` is the batch whose callback it is.
    - `parent` is the job and the operation that started it; `event` is the id of the event that did; `dead` is the job
      whose death did.
    - `mark` is what an event has that cancels it.
    """

    id: int
    type: str
    status: str
    attempts: int
    call: str | None = None
    key: str | None = None
    tick: int | None = None
    result: str | None = None
    held: str | None = None
    latest: str | None = None
    batch: int | None = None
    parent: tuple[int, str] | None = None
    event: str | None = None
    snoozes: int = 0
    dead: int | None = None
    mark: int | None = None
    reason: str | None = None


class BatchRow(NamedTuple):
    """A batch as it stands in the end; without an `outcome` it is not complete."""

    id: int
    is_abandoned: bool
    outcome: str | None


class AttemptRow(NamedTuple):
    """An attempt that did not succeed; `ended_at` by CLOCK_MONOTONIC, not a number if the clock never showed it."""

    job: int
    attempt: int
    outcome: str
    owner: str
    ended_at: float
    error: str = ""


class OperationRow(NamedTuple):
    """An operation of a job as it stands in the end. Instants by the clock of the runners."""

    job: int
    name: str
    kind: str
    state: str
    attempts: int
    memo: str | None = None
    until: int | None = None
    started_at: int = 0
    ended_at: int | None = None


class EventRow(NamedTuple):
    """An event of the run, not one of the library's own; `sent_at` by the clock of the runners."""

    key: str
    name: str
    data: dict[str, Any]
    sent_at: int


@dataclass(frozen=True)
class Evidence:
    """All that is judged.

    Attributes:
        records: The journal, in the order of its instants.
        jobs: All jobs.
        attempts: All recorded attempts, in the order in which they were recorded.
        batches: All batches.
        operations: All operations of durable functions.
        events: All events.
        children: The job that each operation has started, by its job and its name.
        unsound: What SQLite, or a count that does not agree, says against the file.
        left: Files of owners that were not removed.
        log: Bytes of the write-ahead log that is left.
    """

    records: list[Record]
    jobs: list[JobRow] = field(default_factory=list)
    attempts: list[AttemptRow] = field(default_factory=list)
    batches: list[BatchRow] = field(default_factory=list)
    unsound: str = ""
    left: tuple[str, ...] = ()
    log: int = 0
    operations: list[OperationRow] = field(default_factory=list)
    events: list[EventRow] = field(default_factory=list)
    children: dict[tuple[int, str], int] = field(default_factory=dict)


def gathered(database: Path, journal: Path) -> Evidence:
    """Reads all; no process may have the database open any more."""
    records = read(journal)
    eras = eras_of(records)
    log = Path(f"{database}-wal")
    left_of_log = log.stat().st_size if log.exists() else 0  # before the database is opened
    with closing(sqlite3.connect(database)) as connection:
        jobs = [
            _job(json.loads(payload), *row)
            for payload, *row in connection.execute(
                "SELECT payload, id, type, status, attempts, idempotency_key, tick, result, held, snoozes, reason"
                " FROM aiojobs_jobs"
            )
        ]
        batches = [
            BatchRow(batch, bool(is_abandoned), outcome)
            for batch, is_abandoned, outcome in connection.execute(
                "SELECT id, is_abandoned, outcome FROM aiojobs_batches"
            )
        ]
        attempts = [
            AttemptRow(job_id, attempt, outcome, owner, _instant(eras, ended_at), f"{error_type}: {message}")
            for job_id, attempt, outcome, owner, ended_at, error_type, message in connection.execute(
                "SELECT job_id, attempt, outcome, owner, ended_at, error_type, message"
                " FROM aiojobs_attempts ORDER BY id"
            )
        ]
        durable = _durable(connection)
    left = tuple(sorted(path.name for path in database.parent.glob(f"{database.name}-owner-*")))
    return Evidence(records, jobs, attempts, batches, _unsound(database), left, left_of_log, *durable)


def _durable(
    connection: sqlite3.Connection,
) -> tuple[list[OperationRow], list[EventRow], dict[tuple[int, str], int]]:
    """All operations, events and children."""
    operations = connection.execute(
        "SELECT job_id, name, kind, state, attempts, memo, until, started_at, ended_at FROM aiojobs_steps"
    )
    events = connection.execute("SELECT key, name, data, sent_at FROM aiojobs_events WHERE name LIKE 'chaos/%'")
    children = connection.execute("SELECT parent_id, step, child_id FROM aiojobs_children")
    return (
        [OperationRow(*row) for row in operations],
        [EventRow(key, name, json.loads(data), sent_at) for key, name, data, sent_at in events],
        {(parent, step): child for parent, step, child in children},
    )


def _job(
    payload: dict[str, Any], job_id: int, kind: str, status: str, attempts: int, key: str | None, tick: int | None,
    result: str | None, held: str | None, snoozes: int, reason: str | None,
) -> JobRow:  # fmt: skip
    return JobRow(
        job_id, kind, status, attempts, payload.get("call"), key, tick, result and json.loads(result), held,
        payload.get("latest"), payload.get("batch"),
        (payload["parent"], payload["place"]) if "parent" in payload else None,
        payload["event"]["id"] if "event" in payload else None,
        snoozes, payload.get("job_id"), payload.get("mark"), reason,
    )  # fmt: skip


def _instant(eras: list[Era], shown: int) -> float:
    found = instant_of(eras, shown / MICROSECONDS)
    return math.nan if found is None else found


def _unsound(database: Path) -> str:
    from tests.helpers.databases import sound

    try:
        sound(database)
    except (AssertionError, sqlite3.Error) as error:
        return f"{type(error).__name__}: {error}"
    return ""
