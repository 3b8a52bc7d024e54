"""Judges what a power cut has left: first as it lies there, then as SQLite and a runner find it."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from aiojobs_lite import JobRunner, StoreError
from aiojobs_lite.stores.base import Durability
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.apps.power_life import JOBS
from tests.helpers.databases import sound
from tests.helpers.power_cuts import State

_ENDS = {"completed", "dead"}


async def judge(state: State, folder: Path, promise: Durability) -> str | None:
    """What is wrong with a state, by what a durability promises; None: nothing. The folder is made, and removed if all
    is well.
    """
    folder.mkdir()
    state.write(folder)
    looked_at = folder / "looked at"
    shutil.copytree(folder, looked_at)
    try:
        found = statuses(looked_at / "jobs.db")
        _check_promise(state.acknowledged, found, promise)
        await _check_runner(folder / "jobs.db", found)
    except (AssertionError, sqlite3.Error, StoreError) as error:
        return f"{type(error).__name__}: {error}"
    shutil.rmtree(folder)
    return None


def statuses(path: Path) -> dict[int, str]:
    """The status of each job, if the file is sound; none without its tables."""
    with closing(sqlite3.connect(path)) as connection:
        has_tables = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'aiojobs_jobs'").fetchall()
        if not has_tables:
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
            return {}
        found = dict(connection.execute("SELECT id, status FROM aiojobs_jobs ORDER BY id").fetchall())
        assert sound(path)
    return found


def _check_promise(acknowledged: Sequence[list[str]], found: dict[int, str], promise: Durability) -> None:
    lost = [line for line in acknowledged if not _holds(line, found)]
    if promise == "full":
        assert not lost, f"lost, although acknowledged: {lost[:5]}"
        return
    # Of an earlier instant: nothing is there that came after something that is not.
    first = min((int(line[1]) for line in lost), default=0)
    later = [line for line in acknowledged if lost and int(line[1]) > first and _holds(line, found)]
    assert not later, f"{lost[0]} is lost, what came after it is there: {later[:5]}"
    assert list(found) == list(range(1, len(found) + 1)), f"gaps among the jobs: {list(found)}"


def _holds(line: list[str], found: dict[int, str]) -> bool:
    """Whether what was acknowledged is so."""
    what, _, job_id, *status = line
    return int(job_id) in found if what == "enqueued" else found.get(int(job_id)) == status[0]


async def _check_runner(path: Path, before: dict[int, str]) -> None:
    """A runner brings every job to its end, and moves none that has ended."""
    clock = FakeClock(datetime.now(UTC) + timedelta(hours=1))
    async with JobRunner(path, jobs=JOBS, clock=clock, durability="normal") as runner:
        for _ in range(3):
            await runner.run_until_idle()
            clock.advance("1s")
    after = statuses(path)
    assert after.keys() == before.keys()
    assert set(after.values()) <= _ENDS, f"not at an end: {after}"
    ended = {job_id: status for job_id, status in before.items() if status in _ENDS}
    assert {job_id: after[job_id] for job_id in ended} == ended
