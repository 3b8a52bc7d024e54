"""Rows that others wrote past the library: good jobs run at once, bad ones wait with a reason, nothing breaks."""

from __future__ import annotations

import asyncio
import resource
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite import Job, JobRunner, Status, job
from aiojobs_lite.clock import to_micros
from aiojobs_lite.stores.open import open_store
from aiojobs_lite.stores.sqlite.writer import Writer
from aiojobs_lite.testing.clock import FakeClock
from aiojobs_lite.testing.probe import Probe
from tests.helpers.fault_store import FaultStore
from tests.helpers.pauses import pause
from tests.helpers.rings import first_of, slow
from tests.helpers.stores import connected
from tests.helpers.waiting import PATIENCE, until

pytestmark = slow

NOW = to_micros(FakeClock().time)
DEAD = "0123456789abcdef"  # an owner that left no file
BIG = 50 * 2**20
INTEGERS = (
    "priority", "scheduled_at", "attempts", "max_attempts", "created_at", "started_at", "completed_at",
    "interruptions", "snoozes", "crashes", "cancel_requested", "interrupted", "tick",
)  # fmt: skip
TEXTS = ("type", "payload", "owner", "idempotency_key", "error", "reason", "result", "held", "schedule", "status")
VALUES = (
    None, -1, 0, 1, 2, 1.5, -0.0, 1e300, 9e999, -9e999, 2**31, 2**62, 2**63 - 1, -(2**63), NOW, NOW + 10**15,
    253402300799999999, "", "x", "7", "null", "{}", '{"n": 1}', "a\x00b", "é" * 100, b"", b"\xff\xfe", b'{"n": 1}',
)  # fmt: skip
WRONG_PAYLOADS = (
    "", " ", "{", "nonsense", "null", "[]", "7", '"text"', "NaN", '{"n": NaN}', '{"n": "seven"}', '{"n": null}',
    '{"n": 1, "m": 2}', '{"m": 1}', "{}", '{"n": 1}x', '{"n": 1e400}', '{"n": "\\ud800"}', "[" * 100_000,
    '{"n": ' * 10_000, '{"n": ' + "9" * 100_000 + "}", "\x00", "{'n': 1}", "\ufeff{}",
)  # fmt: skip


@job
async def quick(n: int) -> int:
    return n


@job
async def good(n: int) -> int:
    return n


def insert(connection: sqlite3.Connection, **columns: Any) -> bool:
    """Inserts a row as another program would that knows the columns and no more; returns whether the schema took it."""
    row = {
        "type": "quick", "payload": '{"n": 1}', "status": "pending", "priority": 1, "scheduled_at": NOW - 1,
        "max_attempts": 5, "created_at": NOW - 1, **columns,
    }  # fmt: skip
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    try:
        connection.execute(f"INSERT INTO aiojobs_jobs ({names}) VALUES ({marks})", tuple(row.values()))
    except sqlite3.IntegrityError:
        return False
    return True


def hostile(connection: sqlite3.Connection) -> int:
    """Writes hostile rows of every kind, as far as the schema takes them; returns how many there are."""
    taken = sum(insert(connection, payload=payload) for payload in WRONG_PAYLOADS)
    taken += insert(connection, payload='{"n": 1, "padding": "' + "x" * BIG + '"}')
    taken += insert(connection, payload="{" + ", ".join(f'"k{n}": 0' for n in range(20_000)) + "}")
    for column in (*INTEGERS, *TEXTS):
        for value in VALUES:
            for standing in ({}, {"status": "processing", "owner": DEAD}, {"status": "dead", "completed_at": NOW}):
                taken += insert(connection, **{**standing, column: value})
    for column in ("type", "payload", "error", "reason", "result", "idempotency_key", "schedule"):
        taken += insert(connection)
        connection.execute(f"UPDATE aiojobs_jobs SET {column} = CAST(x'ff41' AS TEXT) WHERE id = last_insert_rowid()")
    return taken + sum(insert(connection, id=key, type="unknown") for key in (-1, 0, -(2**63) + 1, 2**40))


@pytest.fixture
async def written(tmp_path: Path) -> Path:
    """A database of ours, in which nothing is yet. No check at the end would understand what is in it then."""
    path = tmp_path / "jobs.db"
    async with JobRunner(path, jobs=[quick, good], max_running=0):
        return path


def readable(database: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(database, isolation_level=None)
    connection.text_factory = lambda text: text.decode(errors="backslashreplace")
    return connection


def counted(database: Path) -> dict[str, tuple[int, ...]]:
    """The rows by type: pending, processing, completed, dead, cancelled, held."""
    sql = """
        SELECT type, sum(status = 'pending'), sum(status = 'processing'), sum(status = 'completed'),
            sum(status = 'dead'), sum(status = 'cancelled'), count(held)
        FROM aiojobs_jobs GROUP BY type
    """
    with closing(readable(database)) as connection:
        return {row[0]: row[1:] for row in connection.execute(sql).fetchall()}


def shown(runner: JobRunner) -> dict[str, tuple[int, ...]]:
    """The same as the runner says."""
    found = {
        name: (one.pending, one.processing, one.completed, one.dead, one.cancelled, one.held)
        for name, one in runner.stats().by_type.items()
    }
    return {name: counts for name, counts in found.items() if any(counts)}


async def everything(runner: JobRunner) -> list[Job]:
    """All jobs, by pages, each of them read alone as well."""
    page = await runner.jobs.list(limit=500)
    jobs = [*page]
    while page.next is not None:
        page = await runner.jobs.list(limit=500, after=page.next)
        jobs += page
    for one in jobs:
        assert await runner.jobs.get(one.id) == one
    return jobs


def waits_for_a_reason(one: Job) -> bool:
    """Its type is not known, or it is for later, or it says what is wrong with it."""
    return one.type not in {"quick", "good"} or to_micros(one.scheduled_at) > NOW or bool(one.held)


async def sleeps(store: FaultStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """An idle runner looks for commits of others, and begins no transaction."""
    looks, take_change = 0, Writer.take_change

    async def looked(writer: Writer) -> bool:
        nonlocal looks
        looks += 1
        return await take_change(writer)

    monkeypatch.setattr(Writer, "take_change", looked)
    begun = store.calls["apply"] + store.calls["inline"]
    await until(lambda: looks == 3)
    assert store.calls["apply"] + store.calls["inline"] - begun <= 1  # one may have been on its way


@slow
async def test_a_thousand_hostile_rows_hold_up_no_good_job_and_each_of_them_can_be_seen(
    written: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connected(written) as connection:
        taken = hostile(connection)
    assert taken >= 1000
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    clock, store = FakeClock(), FaultStore(open_store(written, "full"), has_inline=True)
    runner = JobRunner(store, jobs=[quick, good], clock=clock, keep_dead="36000d")  # nothing is pruned
    async with runner:
        assert await (await runner.enqueue(good, 7)).result() == 7
        await rounds_until(clock, lambda: shown(runner) == counted(written))
        await runner.run_until_idle()
        stats = runner.stats()
        assert (stats.running, stats.stuck, stats.processing, stats.degraded) == (0, 0, 0, None)
        assert shown(runner) == counted(written)
        jobs = await everything(runner)
        assert len(jobs) == taken + 1
        assert [one for one in jobs if one.status is Status.PENDING and not waits_for_a_reason(one)] == []
        assert max(len(one.reason or "") for one in jobs) < 2000
        assert await (await runner.enqueue(good, 8)).result() == 8
        await sleeps(store, monkeypatch)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
    assert grown < 12 * BIG / 1024


async def rounds_until(clock: FakeClock, condition: Callable[[], bool]) -> None:
    """Lets the rounds of two seconds go by, of which each thirtieth looks at the counts."""
    async with asyncio.timeout(PATIENCE):
        while not condition():
            clock.advance(2)
            await pause(0.001)


async def past_the_first_round(runner: JobRunner) -> None:
    """Returns when what the start has looked at cannot hide what comes now."""
    await Probe(runner).store.maintain(NOW)


async def test_hostile_rows_that_come_while_it_runs_are_dealt_with_too(written: Path) -> None:
    clock = FakeClock()
    runner = JobRunner(written, jobs=[quick, good], clock=clock)
    async with runner:
        await past_the_first_round(runner)
        with connected(written) as connection:
            connection.execute("BEGIN")
            for payload in WRONG_PAYLOADS:
                insert(connection, payload=payload)
                insert(connection)
            connection.execute("COMMIT")
        assert await (await runner.enqueue(good, 7)).result() == 7
        await rounds_until(clock, lambda: runner.stats().held == len(WRONG_PAYLOADS))
        await runner.run_until_idle()
        assert shown(runner) == counted(written)
        assert runner.stats().by_type["quick"].completed == len(WRONG_PAYLOADS)


@pytest.mark.parametrize(
    "change",
    first_of(
        2,
        [
            "UPDATE aiojobs_counts SET pending = 0, scheduled = 0",
            "UPDATE aiojobs_counts SET pending = -7",
            "DELETE FROM aiojobs_counts",
            "DELETE FROM aiojobs_jobs WHERE id = 1",
            "UPDATE aiojobs_jobs SET type = 'renamed' WHERE id = 1",
        ],
    ),
)
async def test_counts_that_a_program_has_left_wrong_are_put_right_and_keep_no_job_waiting(
    written: Path, change: str
) -> None:
    clock = FakeClock()
    runner = JobRunner(written, jobs=[quick, good], clock=clock)
    async with runner:
        await runner.enqueue(quick.using(delay="1d"), 1)
        later = await runner.enqueue(good.using(delay="10m"), 2)
        await past_the_first_round(runner)
        with connected(written) as connection:
            connection.execute(change)
        clock.advance("10m")
        result = asyncio.ensure_future(later.result())
        await rounds_until(clock, result.done)
        assert result.result() == 2
        await rounds_until(clock, lambda: shown(runner) == counted(written))
