"""Reopens what a life has left: whether all is there that was acknowledged, and nothing is half done."""

from __future__ import annotations

import shutil
import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

from aiojobs_lite import JobRunner
from aiojobs_lite.clock import to_datetime
from aiojobs_lite.model.ends import count_restarted
from aiojobs_lite.stores import named_sql
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.apps.runner_life import MIDNIGHT, STEPS, Stage, runner_on
from tests.helpers.apps.store_life import NOTHING, State, Step, known_migrations, state_of
from tests.helpers.databases import sound
from tests.helpers.stores import at

_LATER = MIDNIGHT + timedelta(hours=1)


def lines_of(path: Path) -> list[list[str]]:
    """The words of each line; none if there is no such file."""
    return [line.split() for line in path.read_text().splitlines()] if path.exists() else []


def left_behind(folder: Path) -> Path:
    """A copy of the database as it was left, so that looking at it recovers nothing before the store comes."""
    copied = folder / "copy"
    copied.mkdir()
    for name in ("jobs.db", "jobs.db-wal"):
        if (folder / name).exists():
            shutil.copy(folder / name, copied / name)
    return copied / "jobs.db"


async def judge_store(folder: Path, reference: Sequence[Step]) -> None:
    """Checks what a life of the store has left: first as it lies there, then as the real runner finds it."""
    acknowledged = len(lines_of(folder / "acknowledged"))
    states = [NOTHING, *(step.state for step in reference)]
    found = state_of(left_behind(folder))
    assert found in states[acknowledged : acknowledged + 2] or (acknowledged == 0 and _is_partly_made(found)), (
        f"after step {acknowledged} of {len(reference)} ({reference[acknowledged - 1].name}): {_shown(found, states)}"
    )
    version = reference[min(acknowledged, len(reference) - 1)].version
    path = folder / "jobs.db"
    with known_migrations(version):
        async with JobRunner(path, max_running=0, clock=FakeClock(to_datetime(at(1000))), keep_completed="100d"):
            pass  # its start rescues
    assert sound(path)
    if found.rows:
        _check_rescue(found, state_of(path))


def _is_partly_made(found: State) -> bool:
    """Whether it is a file whose first start ended between two migrations: the next start goes on with them."""
    filled = {table: rows for table, rows in found.rows.items() if rows}
    (schema,) = [value for key, value in filled.pop("aiojobs_meta", ()) if key == "schema"] or [0]
    return not filled and 0 < schema < len(named_sql.migrations("aiojobs_lite.stores.sqlite"))


def _shown(found: State, states: Sequence[State]) -> str:
    """In what a state differs from the one that is most like it."""
    closest = min(states, key=lambda state: sum(state.rows.get(table) != rows for table, rows in found.rows.items()))
    return "; ".join(
        f"{table}: {[row for row in rows if row not in closest.rows.get(table, [])][:5]}"
        f" for {[row for row in closest.rows.get(table, []) if row not in rows][:5]}"
        for table, rows in found.rows.items()
        if rows != closest.rows.get(table)
    )


def _rows(state: State, table: str) -> list[dict[str, Any]]:
    """The rows of a table, by column."""
    sql = next(sql for name, _, sql in state.schema if name == table)
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(sql)
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
    return [dict(zip(columns, row, strict=True)) for row in state.rows[table]]


def _jobs(state: State) -> dict[int, dict[str, Any]]:
    """The jobs of a state by id, each with the outcomes of its recorded attempts."""
    jobs = {row["id"]: {**row, "history": list[str]()} for row in _rows(state, "aiojobs_jobs")}
    for row in _rows(state, "aiojobs_attempts"):
        jobs[row["job_id"]]["history"].append(row["outcome"])
    return jobs


def _check_rescue(left: State, found: State) -> None:
    """What is not run any more was given back, with its attempt spent or refunded; all else is as it was, but what
    waits for an event that had not reached all yet.
    """
    before, after = _jobs(left), _jobs(found)
    has_more = any(row["reaches"] is not None for row in _rows(left, "aiojobs_events"))
    waiting = {row["job_id"] for row in _rows(left, "aiojobs_waits") if has_more}
    ends = [(row["job_id"], row["ended_at"]) for row in _rows(left, "aiojobs_steps") if row["ended_at"] is not None]
    assert before.keys() == after.keys()
    for job_id, job in before.items():
        if job_id in waiting and job["held"] == "event":
            assert after[job_id]["held"] is None
        elif job["status"] != "processing":
            assert {**after[job_id], "colour": None} == {**job, "colour": None}
        else:
            restarts = any(of == job_id and ended_at >= job["started_at"] for of, ended_at in ends)
            _check_given_back(job, after[job_id], restarts=restarts, is_waiting=job_id in waiting)


def _check_given_back(job: dict[str, Any], found: dict[str, Any], *, restarts: bool, is_waiting: bool) -> None:
    """An attempt that was lost, or interrupted, counts as such; one in which an operation ended as the first. One that
    is given back before its event reaches it counts from there.
    """
    refunded = bool(job["interrupted"])
    lost = 0 if refunded else 1
    assert found["history"] == [*job["history"], "interrupted" if refunded else "lost"]
    assert found["owner"] is None
    assert found["interruptions"] == job["interruptions"] + refunded
    number, crashes = (1, lost) if restarts else (job["attempts"], job["crashes"] + lost)
    left = (count_restarted(job["attempts"], is_lost=not refunded) if restarts else number) - refunded
    allowed = [(left, crashes)]
    if is_waiting:
        allowed.append((count_restarted(left, is_lost=crashes > 0), min(crashes, 1)))
    assert (found["attempts"], found["crashes"]) in allowed
    assert found["status"] == ("cancelled" if job["cancel_requested"] else "pending")  # its type is not known there


async def judge_runner(folder: Path, *, is_undisturbed: bool = True) -> None:
    """Checks what a life of the runner has left, then brings everything to its end and checks that.

    Args:
        folder: Where it lived.
        is_undisturbed: Whether its store could always be written: else a drain may leave work to the next rescue.
    """
    acknowledged = lines_of(folder / "acknowledged")
    path = folder / "jobs.db"
    left = state_of(left_behind(folder))
    jobs = _jobs(left) if left.rows else {}
    _check_acknowledged(acknowledged, jobs)
    if is_undisturbed and ["left"] in acknowledged:
        assert not [job for job in jobs.values() if job["status"] == "processing"]
    effects = lines_of(folder / "effects")
    clock = FakeClock(_LATER)
    runner = runner_on(path, Stage(folder / "effects", is_last=True), clock, "normal")
    async with runner:
        for _ in range(5):
            await runner.run_until_idle()
            clock.advance("1m")
    async with runner:
        pass  # its start buries the owners whose jobs were given back
    assert sound(path)
    assert not list(folder.glob("jobs.db-*")), "an owner's file or a log is left"
    ended = state_of(path)
    _check_ends(left, ended, lines_of(folder / "effects"))
    _check_steps(left, ended, lines_of(folder / "effects")[len(effects) :])


def _check_acknowledged(acknowledged: list[list[str]], jobs: dict[int, dict[str, Any]]) -> None:
    """Every acknowledged job is there, and every acknowledged end; what is not acknowledged is whole or absent."""
    keys = {job["idempotency_key"]: job_id for job_id, job in jobs.items() if job["idempotency_key"]}
    for what, *words in acknowledged:
        if what == "enqueued":
            assert keys.get(words[0]) == int(words[1]), f"{words} is not there: {keys}"
        elif what == "completed":
            assert jobs[int(words[0])]["status"] == "completed"
        elif what == "ticked":
            assert [job["tick"] for job in jobs.values() if job["type"] == "tick"] != []
    assert len([key for key in keys if key.startswith("many")]) in {0, 5}
    for job in jobs.values():
        if job["type"] == "durable":
            continue  # its attempts are counted anew when an operation has ended
        spent = job["attempts"] + job["interruptions"] - (job["status"] in {"processing", "completed"})
        assert len(job["history"]) == spent, f"an attempt has no row, or a row no attempt: {job}"


def _check_ends(left: State, ended: State, effects: list[list[str]]) -> None:
    """Every job is completed, by an attempt that ended; no attempt started twice; one job for the tick."""
    before, after = (_jobs(left) if left.rows else {}), _jobs(ended)
    assert {job["status"] for job in after.values()} <= {"completed"}
    begun = Counter((int(job_id), int(attempt)) for what, job_id, attempt in effects if what == "begin")
    whole = {(int(job_id), int(attempt)) for what, job_id, attempt in effects if what == "end"}
    for (job_id, attempt), times in begun.items():
        free = after[job_id]["interruptions"] + after[job_id]["snoozes"]
        assert times <= 1 + free, f"attempt {attempt} of job {job_id} started {times} times"
    for job_id, job in after.items():
        assert (job_id, job["attempts"]) in whole
        assert job["crashes"] <= 1
        if before.get(job_id, {}).get("status") == "completed":
            assert job == before[job_id]
    assert len(ended.rows["aiojobs_ticks"]) == len([job for job in after.values() if job["type"] == "tick"])
    was_scheduled = bool(left.rows.get("aiojobs_schedules"))
    assert len(ended.rows["aiojobs_ticks"]) == was_scheduled


def _check_steps(left: State, ended: State, effects: list[list[str]]) -> None:
    """No step that was stored ran again; each operation is done, and has made one event and one child."""
    after = _jobs(ended)
    ids = [job_id for job_id, job in after.items() if job["type"] == "durable"]
    ran = Counter((int(job_id), name) for what, name, job_id in effects if what == "ran")
    stored = {(row[1], row[2]) for row in left.rows.get("aiojobs_steps", ()) if row[4] == "done"}
    assert not stored & ran.keys(), "a step that was stored ran again"
    assert all(times == 1 for times in ran.values()), ran
    done = sorted((row[1], row[2]) for row in ended.rows["aiojobs_steps"] if row[4] == "done")
    operations = (*STEPS, "tell", "news", "child", "nap")
    assert done == sorted((job_id, name) for job_id in ids for name in operations)
    assert len(ended.rows["aiojobs_steps"]) == len(done)
    assert len(ended.rows["aiojobs_events"]) == len(ended.rows["aiojobs_children"]) == len(ids)
    assert not ended.rows["aiojobs_waits"]
    children = [job_id for job_id, job in after.items() if (job["type"], job["idempotency_key"]) == ("steady", None)]
    assert len(children) == len(ids)
