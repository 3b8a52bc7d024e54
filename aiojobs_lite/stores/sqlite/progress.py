"""What handlers report while they run: a row for how far a job is, and its log, some lines a row."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Sequence
from typing import Any, Final

from aiojobs_lite.clock import to_datetime
from aiojobs_lite.model.columns import LARGEST_INTEGER
from aiojobs_lite.model.job import JobProgress, Status
from aiojobs_lite.model.progress import GetLog, GetStandings, JobLog, LogLine, Report, Standing, log_of, weight_of
from aiojobs_lite.sizes import MOST_LOG_LINES
from aiojobs_lite.stores.sqlite.rows import Sql
from aiojobs_lite.stores.sqlite.transaction import ID_ROW, Transaction

_FULL_CHARS: Final = 3_000  # of a row of lines: with it, it is on one page


def report(transaction: Transaction, write: Report) -> bool:
    """See `Report`."""
    fence = {"id": write.id, "attempt": write.attempt, "owner": write.owner, "goes_with_end": write.goes_with_end}
    if transaction.one("may_report", fence) is None:
        return False
    if write.at is not None:
        report = {
            "id": write.id,
            "attempt": write.attempt,
            "fraction": write.fraction,
            "text": write.text,
            "at": write.at,
        }
        transaction.run("set_progress", report)
    if write.lines:
        _add_lines(transaction, write)
    return True


def _add_lines(transaction: Transaction, write: Report) -> None:
    row, last, owner, serial, size = transaction.one("end_of_log", (write.id,)) or (None, 0, None, None, 0)
    if (owner, serial) == (write.owner, write.serial):
        return  # it is known
    last += write.dropped + len(write.lines)
    made = json.dumps(
        [(line.at, write.attempt, line.text) for line in write.lines], ensure_ascii=False, separators=(",", ":")
    )
    added = {"last": last, "owner": write.owner, "serial": write.serial, "lines": made}
    if row is not None and not write.dropped and size < _FULL_CHARS:
        transaction.run("append_lines", {**added, "row": row})
    else:
        transaction.run("insert_lines", {**added, "id": write.id})
    if last > MOST_LOG_LINES:
        transaction.run("forget_lines", (write.id, last - MOST_LOG_LINES))


def delete_reports(transaction: Transaction, ids: Sequence[tuple[int]]) -> None:
    """Deletes what these jobs have reported; to be called before they are deleted."""
    has_progress, has_logs = transaction.one("reported")
    if has_progress:
        transaction.run_all("delete_progress", ID_ROW, ids)
    if has_logs:
        transaction.run_all("delete_logs", ID_ROW, ids)


def pruned_at_once(
    transaction: Transaction, jobs: Sequence[tuple[int, str]], most: int
) -> tuple[Sequence[tuple[int, str]], int]:
    """Of jobs to be pruned, with their types, the first ones until their weight comes to a limit; and their weight."""
    if not jobs:
        return jobs, 0
    _, has_logs = transaction.one("reported")
    has_steps = transaction.has_steps
    if not has_logs and not has_steps:
        return jobs, len(jobs)
    ids = [(job_id,) for job_id, _ in jobs]
    lasts = dict(transaction.run_all_rows("ends_of_logs", ID_ROW, ids)) if has_logs else {}
    steps = dict(transaction.run_all_rows("step_counts", ID_ROW, ids)) if has_steps else {}
    weight = 0
    for index, (job_id, _) in enumerate(jobs):
        if weight >= most:
            return jobs[:index], weight
        weight += weight_of(lasts.get(job_id, 0), steps.get(job_id, 0))
    return jobs, weight


def read_log(connection: sqlite3.Connection, sql: Sql, query: GetLog) -> JobLog:
    """See `GetLog`."""
    if abs(query.id) > LARGEST_INTEGER:
        return JobLog()
    lines: list[LogLine] = []
    last = query.after
    for last, stored in connection.execute(sql["log_after"], (query.id, query.after)).fetchall():
        lines += _lines(last, stored)
    return log_of(lines, last, query.after)


def read_standings(connection: sqlite3.Connection, sql: Sql, query: GetStandings) -> dict[int, Standing]:
    """See `GetStandings`."""
    text = sql["standings"].replace("{ids}", ", ".join(str(int(job_id)) for job_id in query.ids))
    return {
        row[0]: Standing(Status(row[1]), row[2], progress_of(*row[5:9]), row[3], row[4], row[9] or 0)
        for row in connection.execute(text).fetchall()
    }


def progress_of(fraction: float | None, text: str | None, attempt: int, at: int | None) -> JobProgress | None:
    """The progress of a row with these columns, which are NULL if there is none."""
    return None if at is None else JobProgress(fraction, text, attempt, to_datetime(at))


def _lines(last: int, stored: str) -> list[LogLine]:
    """The lines of a row that ends with this number; none if another program has written something else."""
    try:
        parts: list[Any] = json.loads(stored)
        first = last - len(parts) + 1
        return [
            LogLine(first + index, attempt, to_datetime(at), text) for index, (at, attempt, text) in enumerate(parts)
        ]
    except (ValueError, TypeError, OverflowError, RecursionError):
        return []
