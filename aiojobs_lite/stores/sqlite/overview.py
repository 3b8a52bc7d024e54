"""How the database stands: see `model/overview.py`."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection, Iterator
from contextlib import contextmanager

from aiojobs_lite.clock import to_micros
from aiojobs_lite.model.columns import job_of
from aiojobs_lite.model.job import PRIORITIES, Held
from aiojobs_lite.model.overview import IN_LANES, PAUSED, WITHOUT_HANDLER, BoundedCount, GetOverview, Overview
from aiojobs_lite.model.runners import ListRunners
from aiojobs_lite.stores.sqlite.counts import stored_pauses
from aiojobs_lite.stores.sqlite.rows import Sql
from aiojobs_lite.stores.sqlite.runners import list_runners


def get_overview(connection: sqlite3.Connection, sql: Sql, query: GetOverview) -> Overview:
    """See `GetOverview`."""
    with _one_transaction(connection):
        paused = stored_pauses(connection.execute(sql["pauses"]).fetchall())
        oldest_due, waiting = _oldest(connection, sql, query, paused)
        return Overview(
            counts={row[0]: row[1:] for row in connection.execute(sql["overview_counts"]).fetchall()},
            due=_due(connection, sql, query),
            oldest_due=oldest_due,
            waiting=waiting,
            held=_held(connection, sql, query.most),
            paused=paused,
            runners=list_runners(connection, sql, ListRunners()),
        )


@contextmanager
def _one_transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """What is read in the block is of one instant."""
    if connection.in_transaction:  # a database in memory has one connection
        yield
        return
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")


def _due(connection: sqlite3.Connection, sql: Sql, query: GetOverview) -> BoundedCount:
    found, wanted = 0, {"now": query.now, "limit": query.most + 1}
    for name in ("count_due", "count_ready_lanes"):
        ((count,),) = connection.execute(sql[name], wanted).fetchall()
        found += count
    return _bounded(found, query.most)


def _oldest(
    connection: sqlite3.Connection, sql: Sql, query: GetOverview, paused_types: Collection[str]
) -> tuple[dict[str, int], dict[str, dict[str, int]]]:
    """Since when the longest waiting jobs have been due: of those that are due by type, of the others by reason."""
    due, paused = dict[str, int](), dict[str, int]()
    for job_type, at in connection.execute(sql["oldest_due"], {"now": query.now}).fetchall():
        (paused if job_type in paused_types else due)[job_type] = at
    for (job_type,) in connection.execute(sql["types_in_lanes"]).fetchall():
        for priority in PRIORITIES.values():
            wanted = {"type": job_type, "priority": priority, "until": query.now}
            for row in connection.execute(sql["first_due_in_lane"], wanted).fetchall():
                _add(due, job_type, to_micros(job_of(row).scheduled_at))
    in_lanes = dict[str, int]()
    for name in ("oldest_in_lanes", "oldest_in_order"):
        for job_type, at in connection.execute(sql[name], {"now": query.now, "limit": query.most}).fetchall():
            if job_type in paused_types:
                _add(paused, job_type, at)
            elif at < due.get(job_type, query.now + 1):
                _add(in_lanes, job_type, at)
    waiting = {PAUSED: paused, IN_LANES: in_lanes}
    for held in WITHOUT_HANDLER:
        wanted = {"held": held.value, "now": query.now}
        waiting[held.value] = dict(connection.execute(sql["oldest_held"], wanted).fetchall())
    return due, {reason: types for reason, types in waiting.items() if types}


def _add(oldest: dict[str, int], job_type: str, at: int) -> None:
    oldest[job_type] = min(at, oldest.get(job_type, at))


def _held(connection: sqlite3.Connection, sql: Sql, most: int) -> dict[str, BoundedCount]:
    asked = [(held.value, "count_held", (held.value, most + 1)) for held in Held] + [
        (IN_LANES, "count_in_lanes", (most + 1,))
    ]
    found = {reason: connection.execute(sql[name], wanted).fetchall()[0][0] for reason, name, wanted in asked}
    return {reason: _bounded(count, most) for reason, count in found.items() if count}


def _bounded(count: int, most: int) -> BoundedCount:
    return BoundedCount(min(count, most), count > most)
