"""Ends that the database refuses to store: each job has an end all the same."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite import JobRunner, Retry, Snooze, Status, job
from aiojobs_lite.testing.probe import Probe
from tests.helpers.waiting import until

RUNS: list[int] = []


@job
async def succeeds() -> str:
    RUNS.append(1)
    return "done"


@job
async def fails() -> None:
    RUNS.append(1)
    raise ValueError("no")


class Never(Retry):
    def __init__(self) -> None:
        self.after = 1e300


class Later(Snooze):
    def __init__(self) -> None:
        self.delay = 1e300


@job
async def retries() -> None:
    RUNS.append(1)
    raise Never


@job
async def snoozes() -> None:
    RUNS.append(1)
    raise Later


@pytest.fixture(autouse=True)
def no_runs() -> None:
    RUNS.clear()


@pytest.mark.parametrize(("handler", "refused"), [(succeeds, "completed"), (fails, "pending")])
async def test_a_job_whose_end_the_database_refuses_is_dead_and_does_not_run_again(
    database: Path, handler: Any, refused: str
) -> None:
    """As by a trigger of another program on the same file."""
    async with JobRunner(database, jobs=[succeeds, fails]) as runner:
        with closing(sqlite3.connect(database)) as other:
            other.execute(
                "CREATE TRIGGER refuses BEFORE UPDATE OF status ON aiojobs_jobs "
                f"WHEN OLD.status = 'processing' AND NEW.status = '{refused}' BEGIN SELECT RAISE(ABORT, 'no'); END"
            )
            other.commit()
        handle = await runner.enqueue(handler)
        await until(lambda: RUNS == [1] and Probe(runner).is_saved)
        await Probe(runner).rescue()
        await runner.run_until_idle()
        found = await handle.job()
        assert (found.status, found.reason, RUNS) == (
            Status.DEAD, "its end could not be stored: StoreRejected", [1],
        )  # fmt: skip


@pytest.mark.parametrize("handler", [retries, snoozes])
async def test_a_delay_that_no_row_can_hold_is_a_century(handler: Any) -> None:
    async with JobRunner(":memory:", jobs=[retries, snoozes]) as runner:
        handle = await runner.enqueue(handler)
        await runner.run_until_idle()
        await Probe(runner).rescue()
        await runner.run_until_idle()
        found = await handle.job()
        assert (found.status, RUNS) == (Status.PENDING, [1])
        assert (found.scheduled_at - found.created_at).days == 36_600
