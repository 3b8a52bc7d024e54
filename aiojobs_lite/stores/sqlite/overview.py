"""How the database stands: see `model/overview.py`."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from aiojobs_lite.clock import to_micros
from aiojobs_lite.model.columns import job_of
from aiojobs_lite.model.job import PRIORITIES, Held
from aiojobs_lite.model.overview import IN_LANES, BoundedCount, GetOverview, Overview
from aiojobs_lite.model.runners import ListRunners
from aiojobs_lite.stores.sqlite.counts import stored_pauses
from aiojobs_lite.stores.sqlite.rows import Sql
from aiojobs_lite.stores.sqlite.runners import list_runners


def get_overview(connection: sqlite3.Connection, sql: Sql, query: GetOverview) -> Overview:
    """See `GetOverview`."""
    with _one_transaction(connection):
        return Overview(
            counts={row[0]: row[1:] for row in connection.execute(sql["overview_counts"]).fetchall()},
            due=_due(connection, sql, query),
            oldest_due=_oldest_due(connection, sql, query.now),
            held=_held(connection, sql, query.most),
            paused=stored_pauses(connection.execute(sql["pauses"]).fetchall()),
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


def _oldest_due(connection: sqlite3.Connection, sql: Sql, now: int) -> dict[str, int]:
    oldest: dict[str, int] = dict(connection.execute(sql["oldest_due"], {"now": now}).fetchall())
    for (job_type,) in connection.execute(sql["types_in_lanes"]).fetchall():
        for priority in PRIORITIES.values():
            wanted = {"type": job_type, "priority": priority, "until": now}
            for row in connection.execute(sql["first_due_in_lane"], wanted).fetchall():
                at = to_micros(job_of(row).scheduled_at)
                oldest[job_type] = min(oldest.get(job_type, at), at)
    return oldest


def _held(connection: sqlite3.Connection, sql: Sql, most: int) -> dict[str, BoundedCount]:
    asked = [(held.value, "count_held", (held.value, most + 1)) for held in Held] + [
        (IN_LANES, "count_in_lanes", (most + 1,))
    ]
    found = {reason: connection.execute(sql[name], wanted).fetchall()[0][0] for reason, name, wanted in asked}
    return {reason: _bounded(count, most) for reason, count in found.items() if count}


def _bounded(count: int, most: int) -> BoundedCount:
    return BoundedCount(min(count, most), count > most)
