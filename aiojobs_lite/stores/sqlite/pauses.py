"""Types that no owner may claim."""

from __future__ import annotations

import sqlite3

from aiojobs_lite.clock import to_datetime
from aiojobs_lite.model.pauses import Pause
from aiojobs_lite.model.queries import ListPaused
from aiojobs_lite.model.writes import PauseType
from aiojobs_lite.stores.sqlite.counts import stored_pauses
from aiojobs_lite.stores.sqlite.rows import Sql
from aiojobs_lite.stores.sqlite.transaction import Transaction


def pause_type(transaction: Transaction, write: PauseType) -> None:
    """See `PauseType`."""
    if write.paused:
        if transaction.run("pause", {"type": write.type, "by": write.by, "now": transaction.now}).rowcount:
            transaction.pauses[write.type] = Pause(to_datetime(transaction.now), write.by)
    elif transaction.run("resume", (write.type,)).rowcount:
        transaction.pauses[write.type] = None
        transaction.due.add_known(write.type)


def list_paused(connection: sqlite3.Connection, sql: Sql, _query: ListPaused) -> dict[str, Pause]:
    """See `ListPaused`."""
    return stored_pauses(connection.execute(sql["pauses"]).fetchall())
