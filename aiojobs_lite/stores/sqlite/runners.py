"""The runners of the database, as they store themselves."""

from __future__ import annotations

import json
import sqlite3

from aiojobs_lite.model.runners import (
    EndRunners,
    ListRunners,
    MarkDraining,
    RunnerInfo,
    SetRunner,
    SetRunnerTypes,
    runner_of,
)
from aiojobs_lite.stores.sqlite.rows import Sql
from aiojobs_lite.stores.sqlite.transaction import ID_ROW, Transaction


def set_runner(transaction: Transaction, write: SetRunner) -> None:
    """See `SetRunner`."""
    transaction.run("set_runner", {**write._asdict(), "now": transaction.now})


def set_runner_types(transaction: Transaction, write: SetRunnerTypes) -> None:
    """See `SetRunnerTypes`."""
    rows = transaction.run("types_of_runners", (write.id,)).fetchall()
    types = {runner: set(json.loads(stored)) for runner, stored in rows}
    left = types.pop(write.id, set()).difference(json.loads(write.types))
    left.difference_update(*[of_other for runner, of_other in types.items() if runner not in write.dead])
    if left:
        transaction.run_all("forget_listeners", ID_ROW, [(job_type,) for job_type in sorted(left)])
        transaction.has_fewer_waits = True
    transaction.run("set_types", (write.types, write.id))


def mark_draining(transaction: Transaction, write: MarkDraining) -> None:
    """See `MarkDraining`."""
    transaction.run("mark_draining", write)


def end_runners(transaction: Transaction, write: EndRunners) -> None:
    """See `EndRunners`."""
    transaction.run("forget_runners", (write.forget_before,))
    for runner in write.ids:
        transaction.run("end_runner", (transaction.now, runner))


def list_runners(connection: sqlite3.Connection, sql: Sql, _query: ListRunners) -> list[RunnerInfo]:
    """See `ListRunners`."""
    return [
        runner_of(SetRunner(*row[:5]), row[5], row[6], is_draining=bool(row[7]), running=row[8])
        for row in connection.execute(sql["runners"]).fetchall()
    ]
