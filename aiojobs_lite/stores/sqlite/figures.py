"""Figures over all processes: see `model/figures.py`.

They stand in rows of hours, of days and of all time, so that a long period is read in a few of them; and of the hours
once more of all types together.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable
from typing import Any, Final

from aiojobs_lite.model.figures import (
    ALL_TYPES,
    DAY,
    HOUR,
    NO_ERROR,
    OF_ALL_TIME,
    AddFigures,
    DurationFigures,
    EndFigures,
    ErrorSum,
    FigureSum,
    ListHours,
    PruneFigures,
    SumErrors,
    SumFigures,
    kept_apart,
    merged,
    parts_of,
)
from aiojobs_lite.model.job import Outcome
from aiojobs_lite.stores.sqlite.rows import Sql
from aiojobs_lite.stores.sqlite.transaction import Transaction

ENDED_ROW: Final = f"({', '.join('?' * (2 + len(EndFigures._fields)))})"
DURATION_ROW: Final = f"({', '.join('?' * (2 + len(DurationFigures._fields)))})"

_BEHIND_ALL_NAMES: Final = b""  # any blob is behind any text


def add_figures(transaction: Transaction, write: AddFigures) -> None:
    """See `AddFigures`."""
    hour, day, always = (HOUR, write.hour), (DAY, write.hour - write.hour % DAY), OF_ALL_TIME[:2]
    ends = _kept_apart(transaction, write)
    together = merged(ends)
    rows: list[tuple[Any, ...]] = [(*span, *one) for span in (hour, day) for one in ends]
    rows += [(*always, *one) for one in together]
    rows += [(*hour, *one) for one in merged(together, ALL_TYPES)]
    transaction.run_all("add_ends", ENDED_ROW, rows)
    rows = [(*span, *one) for span in (hour, day, always) for one in write.durations]
    rows += [(*hour, ALL_TYPES, *one[1:]) for one in write.durations]
    if rows:
        transaction.run_all("add_durations", DURATION_ROW, rows)


def prune_figures(transaction: Transaction, write: PruneFigures) -> int:
    """See `PruneFigures`."""
    wanted = {"hour": HOUR, "day": DAY, "before": write.before, "limit": max(write.limit, 0)}
    return max(transaction.run(query, wanted).rowcount for query in ("prune_ends", "prune_durations"))


def sum_figures(connection: sqlite3.Connection, sql: Sql, query: SumFigures) -> FigureSum:
    """See `SumFigures`."""
    parts = parts_of(query.since, query.until)
    begins = [(span, begin) for span, since, until in parts for begin in range(since, until, span or 1)]
    first, last = query.names or (ALL_TYPES, _BEHIND_ALL_NAMES)
    wanted = {"begins": json.dumps(begins), "first_type": first, "last_type": last}
    ends, durations = [connection.execute(sql[name], wanted).fetchall() for name in ("sum_ends", "sum_durations")]
    return _sum(ends, durations)


def sum_errors(connection: sqlite3.Connection, sql: Sql, query: SumErrors) -> list[ErrorSum]:
    """See `SumErrors`."""
    wanted = {"parts": json.dumps(parts_of(query.since, query.until)), "type": query.type, "limit": query.limit}
    return list(map(ErrorSum._make, connection.execute(sql["sum_errors"], wanted).fetchall()))


def list_hours(connection: sqlite3.Connection, sql: Sql, query: ListHours) -> dict[int, FigureSum]:
    """See `ListHours`."""
    if query.since >= query.until:
        return {}
    wanted = {**query._asdict(), "span": HOUR}
    ends = _by_hour(connection.execute(sql["ends_of_hours"], wanted).fetchall())
    durations = _by_hour(connection.execute(sql["durations_of_hours"], wanted).fetchall())
    return {hour: _sum(ends[hour], durations[hour]) for hour in ends}


def _kept_apart(transaction: Transaction, write: AddFigures) -> Iterable[EndFigures]:
    """What is added, with the error types that the hour can take."""
    failed = {one.type for one in write.ends if one.error_type != NO_ERROR}
    if not failed:
        return write.ends
    known: dict[str, set[str]] = {}
    for job_type in failed:
        wanted = {"span": HOUR, "begin": write.hour, "type": job_type}
        known[job_type] = {name for (name,) in transaction.run("error_types_of", wanted).fetchall()}
    return kept_apart(write.ends, known)


def _sum(ends: Iterable[tuple[Any, ...]], durations: Iterable[tuple[Any, ...]]) -> FigureSum:
    return FigureSum(
        [EndFigures(row[0], Outcome(row[1]), *row[2:]) for row in ends],
        [DurationFigures(row[0], Outcome(row[1]), *row[2:]) for row in durations],
    )


def _by_hour(rows: Iterable[tuple[Any, ...]]) -> defaultdict[int, list[tuple[Any, ...]]]:
    found: defaultdict[int, list[tuple[Any, ...]]] = defaultdict(list)
    for hour, *row in rows:
        found[hour].append(tuple(row))
    return found
