"""Deletes what limits by key need no more: logs of rates out of their period, values of keys that none has used."""

from __future__ import annotations

import sqlite3
from typing import Final, NamedTuple

from aiojobs_lite.clock import FIRST_INSTANT
from aiojobs_lite.model.ahead import CLOCK_TOLERANCE_US
from aiojobs_lite.stores.sqlite.rows import Sql, chunks, filled

PAGE: Final = 1000  # rows a transaction
KEEP_VALUES_US: Final = 30 * 86_400_000_000  # after code has set one for a key, which is not pinned


class Pruned(NamedTuple):
    """What one step did.

    Attributes:
        meter: The meter that it came to; None: it came to the end.
        has_changed: Whether it deleted the value of a key.
    """

    meter: str | None
    has_changed: bool


def prune_meters(connection: sqlite3.Connection, sql: Sql, now: int, after: str) -> Pruned:
    """Deletes some, in an open transaction.

    Args:
        connection: Where it is open.
        sql: The named queries.
        now: The instant in microseconds.
        after: The meter that the step before came to, or "".
    """
    has_changed = False
    if not after:
        before = max(now - KEEP_VALUES_US, FIRST_INSTANT)
        has_changed = connection.execute(sql["forget_values"], (before, PAGE)).rowcount > 0
    ((longest,),) = connection.execute(sql["longest_period"]).fetchall()
    found = connection.execute(sql["meters_behind"], (after, PAGE)).fetchall()
    idle = [
        meter for meter, last_at, free_at in found if free_at is None and last_at + longest + CLOCK_TOLERANCE_US <= now
    ]
    for start, size in chunks(len(idle), 128):
        connection.execute(filled(sql["delete_meters"], "?", size), idle[start : start + size])
    return Pruned(found[-1][0] if len(found) == PAGE else None, has_changed)
