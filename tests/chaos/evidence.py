"""What a run has left, in the form in which it is judged: the journal, and the rows of the database."""

from __future__ import annotations

import json
import sqlite3
import time
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tests.chaos.journal import Record, read


class JobRow(NamedTuple):
    """A job as it stands in the end. `call` is the enqueue that made it, None if a schedule did."""

    id: int
    type: str
    status: str
    attempts: int
    call: str | None = None
    key: str | None = None
    tick: int | None = None
    result: str | None = None


class AttemptRow(NamedTuple):
    """An attempt that did not succeed; `ended_at` by CLOCK_MONOTONIC."""

    job: int
    attempt: int
    outcome: str
    owner: str
    ended_at: float


@dataclass(frozen=True)
class Evidence:
    """All that is judged.

    Attributes:
        records: The journal, in the order of its instants.
        jobs: All jobs.
        attempts: All recorded attempts, in the order in which they were recorded.
        unsound: What SQLite, or a count that does not agree, says against the file.
        left: Files of owners that were not removed.
    """

    records: list[Record]
    jobs: list[JobRow] = field(default_factory=list)
    attempts: list[AttemptRow] = field(default_factory=list)
    unsound: str = ""
    left: tuple[str, ...] = ()


def gathered(database: Path, journal: Path) -> Evidence:
    """Reads all; no process may have the database open any more."""
    ahead = time.time() - time.monotonic()
    with closing(sqlite3.connect(database)) as connection:
        jobs = [
            JobRow(
                job_id,
                kind,
                status,
                attempts,
                json.loads(payload).get("call"),
                key,
                tick,
                result and json.loads(result),
            )
            for job_id, kind, status, attempts, payload, key, tick, result in connection.execute(
                "SELECT id, type, status, attempts, payload, idempotency_key, tick, result FROM aiojobs_jobs"
            )
        ]
        attempts = [
            AttemptRow(job_id, attempt, outcome, owner, ended_at / 1e6 - ahead)
            for job_id, attempt, outcome, owner, ended_at in connection.execute(
                "SELECT job_id, attempt, outcome, owner, ended_at FROM aiojobs_attempts ORDER BY id"
            )
        ]
    left = tuple(sorted(path.name for path in database.parent.glob(f"{database.name}-owner-*")))
    return Evidence(read(journal), jobs, attempts, _unsound(database), left)


def _unsound(database: Path) -> str:
    from tests.helpers.databases import sound

    try:
        sound(database)
    except (AssertionError, sqlite3.Error) as error:
        return f"{type(error).__name__}: {error}"
    return ""
