"""The application's own connections to the file, in the process of the runner: neither takes from the other."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from signal import SIGKILL

import pytest

from aiojobs_lite import Job, JobRunner, Outcome, Status
from aiojobs_lite.telemetry.facts import Fact
from aiojobs_lite.testing.probe import Probe
from tests.helpers.application import (
    MIXES,
    WAYS,
    Note,
    Way,
    by_turns,
    make_tables,
    mixed,
    noted,
    notes_in,
    runner_on,
    written,
)
from tests.helpers.apps.sharing import ENQUEUERS, held
from tests.helpers.databases import sound
from tests.helpers.programs import Child, program, rescue
from tests.helpers.rings import slow
from tests.helpers.waiting import PATIENCE, until

WRITERS = 3
NOTES = 40  # of each writer
BATCHES = 8  # of each enqueuer, three jobs each
KILLS = 3


@asynccontextmanager
async def sharing(database: Path, life: str | int, mix: list[str]) -> AsyncIterator[Child]:
    """Starts `apps/sharing.py`."""
    async with program("-m", "tests.helpers.apps.sharing", database, str(life), *mix) as child:
        yield child


async def takes_notes(note: Note, writer: str) -> None:
    for number in range(NOTES):
        await note(writer, number)


async def enqueues(runner: JobRunner) -> list[int]:
    """Enqueues jobs one by one and together; returns the ids of those that were acknowledged."""
    acknowledged = []
    for number in range(BATCHES):
        handles = await runner.enqueue_many([noted.bind(number), noted.bind(number + 1)])
        single = await runner.enqueue(noted, number + 2)
        acknowledged += [handle.id for handle in (*handles, single)]
        assert await single.result(PATIENCE) == number + 2
    return acknowledged


async def all_jobs(runner: JobRunner) -> dict[int, Job]:
    """All jobs by id, with what became of their attempts."""
    ids: list[int] = []
    while page := await runner.jobs.list(limit=1000, after=min(ids, default=None)):
        ids += [job.id for job in page]
    return {job_id: await runner.jobs.get(job_id) for job_id in ids}


def check_attempts(job: Job, notes: dict[str, set[int]]) -> None:
    """A job completed, and its attempts are those that it needs and those that were killed, each begun once."""
    assert job.status is Status.COMPLETED
    assert job.attempts == len(job.history) + 1
    asked = [one.attempt for one in job.history if one.outcome is Outcome.FAILED]
    lost = [one.attempt for one in job.history if one.outcome is Outcome.LOST]
    assert len(asked) + len(lost) == len(job.history)
    if job.payload["number"] % 5 or 1 in lost:
        assert asked == []
    else:
        assert asked == [1]
    left = notes[f"job {job.id}"]
    assert {*asked, job.attempts} <= left <= {*asked, *lost, job.attempts}


@slow
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
async def test_a_runner_and_its_application_write_to_one_file_at_once(
    database: Path, way: Way, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    make_tables(database)
    async with way(database) as note, runner_on(database, note) as runner, sharing(database, "peer", []) as peer:
        facts: list[Fact] = []
        listener = asyncio.create_task(collects(runner, facts))
        async with asyncio.timeout(2 * PATIENCE), asyncio.TaskGroup() as group:
            for number in range(WRITERS):
                group.create_task(takes_notes(note, f"writer {number}"))
            enqueuers = [group.create_task(enqueues(runner)) for _ in range(ENQUEUERS)]
        await runner.run_until_idle()
        peer.order("leave")
        _, taken = await peer.line("left")
        assert await peer.ended() == 0
        stats, jobs = runner.stats(), await all_jobs(runner)
    await listener
    notes = notes_in(database)
    for number in range(WRITERS):
        assert notes[f"writer {number}"] == set(range(NOTES))
    assert notes["peer"] == set(range(int(taken)))
    assert set(jobs) == {job_id for task in enqueuers for job_id in task.result()}
    for job in jobs.values():
        check_attempts(job, notes)
    assert len(jobs) == stats.completed == ENQUEUERS * BATCHES * 3
    assert (stats.refused_ends, stats.degraded) == (0, None)
    assert not {"StoreDegraded", "EndRefused", "OwnerRescued"} & {type(fact).__name__ for fact in facts}
    assert [record.getMessage() for record in caplog.records if is_warning(record)] == []


async def collects(runner: JobRunner, facts: list[Fact]) -> None:
    async for fact in runner.watch():
        facts.append(fact)  # noqa: PERF401  # what was collected so far is there if the test is cancelled


def is_warning(record: logging.LogRecord) -> bool:
    """Whether it is one of a fault: a retry was asked for, and a machine may have other work than this process."""
    is_expected = record.name == "aiojobs_lite.jobs" or record.getMessage().startswith("suspended: ")
    return record.levelno >= logging.WARNING and not is_expected


@slow
@pytest.mark.parametrize("mix", MIXES, ids=["one way", "many ways"])
async def test_what_was_acknowledged_before_a_kill_is_there_by_any_writer(database: Path, mix: list[str]) -> None:
    make_tables(database)
    lives = []
    for life in range(KILLS):
        async with sharing(database, life, mix) as child:
            await child.line("ready")
            for _ in range(60 + random.randrange(100)):
                await child.line("note", "jobs", "ran")
            assert await child.kill() == -SIGKILL
        assert [line for line in child.lines if is_trouble(line)] == []
        lives.append(child)
    async with mixed(database, mix) as ways, runner_on(database, by_turns(ways)) as runner, asyncio.timeout(PATIENCE):
        await runner.run_until_idle()
        jobs = await all_jobs(runner)
    notes = notes_in(database)
    for life, child in enumerate(lives):
        for way in range(len(mix)):
            taken = [int(number) for _, writer, number in child.said("note ") if writer == f"{life}.{way}"]
            assert taken == list(range(len(taken)))
            assert notes.get(f"{life}.{way}", set()) - {len(taken)} == set(taken)  # and one that was not acknowledged
    acknowledged = {int(job_id) for child in lives for words in child.said("jobs") for job_id in words[1:]}
    assert acknowledged <= set(jobs)
    assert len(set(jobs) - acknowledged) <= KILLS * ENQUEUERS * 3
    for job in jobs.values():
        check_attempts(job, notes)
    assert sum(job.crashes for job in jobs.values()) > 0
    assert sound(database)


def is_trouble(line: str) -> bool:
    return any(word in line for word in ("locked", "degraded", "Traceback", "Warning", "REPLACED", "SQLITE_"))


@slow
async def test_an_owner_keeps_its_locks_whatever_its_application_closes(database: Path) -> None:
    make_tables(database)
    async with sharing(database, "held", [*WAYS]) as child:
        await child.line("ready")
        async with JobRunner(database, jobs=[held], max_running=0) as before:
            handle = await before.enqueue(held)
            assert await child.line("started") == ["started", str(handle.id), "1"]
        log = database.with_name(f"{database.name}-wal")
        opened = os.stat(log).st_ino
        for way in range(len(WAYS)):
            child.order(f"note {way} 6")
            await child.line("noted")
            written(database, "other", way)  # without the child's locks its connection, the last, would delete the log
            assert os.stat(log).st_ino == opened
            async with JobRunner(database, jobs=[held], max_running=0) as other:
                await rescue(other)
                job = await other.jobs.get(handle.id)
                assert (job.status, job.attempts, job.crashes) == (Status.PROCESSING, 1, 0)
        child.order("go")
        child.order("leave")
        assert await child.ended() == 0
        assert child.said("started") == [["started", str(handle.id), "1"]]
        assert [line for line in child.lines if is_trouble(line)] == []
    expected = {f"held {way}": 6 for way in range(len(WAYS))} | {"other": len(WAYS)}
    assert {name: len(numbers) for name, numbers in notes_in(database).items()} == expected
    async with JobRunner(database, jobs=[held], max_running=0) as runner:
        job = await runner.jobs.get(handle.id)
        assert (job.status, job.attempts, job.crashes) == (Status.COMPLETED, 1, 0)


async def test_a_transaction_that_reads_before_it_writes_must_begin_as_a_writer(database: Path) -> None:
    make_tables(database)
    async with JobRunner(database, jobs=[held], max_running=0) as runner:
        with closing(sqlite3.connect(database, isolation_level=None)) as application:
            application.execute("BEGIN")
            application.execute("SELECT count(*) FROM notes").fetchall()
            await runner.enqueue(held)
            with pytest.raises(sqlite3.OperationalError, match="locked") as refused:  # at once: no wait would help
                application.execute("INSERT INTO notes VALUES ('a', 1)")
            assert refused.value.sqlite_errorname == "SQLITE_BUSY_SNAPSHOT"
            application.execute("ROLLBACK")
            application.execute("BEGIN IMMEDIATE")
            application.execute("SELECT count(*) FROM notes").fetchall()
            enqueuing = asyncio.create_task(runner.enqueue(held))
            await until(lambda: not Probe(runner).is_saved)
            assert not enqueuing.done()  # its transaction is under way, and waits
            application.execute("INSERT INTO notes VALUES ('a', 1)")
            application.execute("COMMIT")
            assert (await enqueuing).id == 2
