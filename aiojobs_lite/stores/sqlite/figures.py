"""Figures over all processes: see `model/figures.py`."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from typing import Any, Final

from aiojobs_lite.model.figures import (
    ALL_TIME,
    NO_ERROR,
    AddFigures,
    DurationFigures,
    EndFigures,
    ErrorSum,
    PruneFigures,
    SumErrors,
    SumFigures,
    Summed,
    kept_apart,
    of_all_time,
)
from aiojobs_lite.model.job import Outcome
from aiojobs_lite.stores.sqlite.rows import Sql
from aiojobs_lite.stores.sqlite.transaction import Transaction

ENDED_ROW: Final = f"({', '.join('?' * (1 + len(EndFigures._fields)))})"
DURATION_ROW: Final = f"({', '.join('?' * (1 + len(DurationFigures._fields)))})"


def add_figures(transaction: Transaction, write: AddFigures) -> None:
    """See `AddFigures`."""
    failed = {one.type for one in write.ends if one.error_type != NO_ERROR}
    known = {
        job_type: {name for (name,) in transaction.run("error_types_of", (write.hour, job_type))} for job_type in failed
    }
    ends = kept_apart(write.ends, known) if failed else write.ends
    values: list[tuple[Any, ...]] = [(write.hour, *one) for one in ends]
    transaction.run_all("add_ends", ENDED_ROW, values + [(ALL_TIME, *one) for one in of_all_time(ends)])
    values = [(hour, *one) for hour in (write.hour, ALL_TIME) for one in write.durations]
    if values:
        transaction.run_all("add_durations", DURATION_ROW, values)


def prune_figures(transaction: Transaction, write: PruneFigures) -> int:
    """See `PruneFigures`."""
    wanted = {"all_time": ALL_TIME, "before": write.before, "limit": max(write.limit, 0)}
    return max(transaction.run(query, wanted).rowcount for query in ("prune_ends", "prune_durations"))


def sum_figures(connection: sqlite3.Connection, sql: Sql, query: SumFigures) -> Summed:
    """See `SumFigures`."""
    wanted = {**query._asdict(), "until": _end_of(query), "all_time": ALL_TIME}
    ends = connection.execute(sql["sum_ends"], wanted).fetchall()
    durations = connection.execute(sql["sum_durations"], wanted).fetchall()
    return Summed(
        {hour: [EndFigures(row[1], Outcome(row[2]), *row[3:]) for row in rows] for hour, rows in _by_hour(ends)},
        {
            hour: [DurationFigures(row[1], Outcome(row[2]), *row[3:]) for row in rows]
            for hour, rows in _by_hour(durations)
        },
    )


def sum_errors(connection: sqlite3.Connection, sql: Sql, query: SumErrors) -> list[ErrorSum]:
    """See `SumErrors`."""
    return list(map(ErrorSum._make, connection.execute(sql["sum_errors"], query._asdict()).fetchall()))


def _end_of(query: SumFigures) -> int:
    return ALL_TIME + 1 if query.since == ALL_TIME else query.until


def _by_hour(rows: Iterable[tuple[Any, ...]]) -> Iterable[tuple[int, list[tuple[Any, ...]]]]:
    return [(hour, list(of_hour)) for hour, of_hour in groupby(rows, itemgetter(0))]
