"""`client.batches`: batches without an event loop."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from aiojobs_lite import (
    InvalidOption,
    JobClient,
    JobNotFound,
    JobRunner,
    Jobs,
    Status,
    StoreUnavailable,
    UnknownJobType,
)
from aiojobs_lite.errors import BatchClosed, BatchNotFound, ClientClosed, QueueFull, WrongEventLoop
from aiojobs_lite.flow import Unique
from aiojobs_lite.model.batches import BatchStatus, CloseBatch
from aiojobs_lite.runner.client_batches import OpenedClientBatch
from aiojobs_lite.runner.session import Session
from aiojobs_lite.stores.sqlite.owners import OWNERS_OF_THIS_PROCESS
from aiojobs_lite.testing import JobKit
from aiojobs_lite.testing.probe import Probe
from tests.helpers.mail import other
from tests.helpers.rings import slow
from tests.helpers.root import ROOT

JOBS = Jobs()


@JOBS.job
async def work(number: int) -> int:
    return number


@JOBS.job(max_pending=1)
async def few(number: int) -> None: ...


@JOBS.job
async def report(batch_id: int) -> None: ...


@JOBS.job
async def good(batch_id: int) -> None: ...


@pytest.fixture
def client(database: Path) -> Iterator[JobClient]:
    with JobClient(database, jobs=JOBS) as client:
        yield client


def owner_files(database: Path) -> list[str]:
    return [found.name for found in database.parent.glob(f"{database.name}-owner-*")]


async def enqueued_by(runner: JobRunner) -> dict[str, list[object]]:
    """The arguments of the callbacks that there are, by the names of their types."""
    jobs = await runner.jobs.list()
    return {job.type: [*job.payload.values()] for job in jobs if job.type not in {"work", "few"}}


async def test_the_callbacks_are_enqueued_when_the_block_and_all_jobs_have_ended(
    client: JobClient, database: Path
) -> None:
    def fill() -> int:
        with client.batches.open(on_complete=report, on_success=good.using(priority="high")) as batch:
            first = batch.enqueue(work, 1)
            assert first.is_new
            assert first.key.endswith(f"-{first.id}")
            assert len(batch.enqueue_many([work.bind(number) for number in (2, 3)])) == 2
            assert batch.enqueue_many([]) == []
            assert len(owner_files(database)) == 1  # its process shows that it lives
            stats = batch.stats()
            assert (stats.status, stats.total, stats.unfinished) == (BatchStatus.OPEN, 3, 3)
        assert owner_files(database) == []
        assert repr(batch) == f"<OpenedClientBatch {batch.id}>"
        batch.close()  # a second time
        assert batch.stats().status is BatchStatus.CLOSED
        with pytest.raises(BatchClosed):
            batch.enqueue(work, 4)
        return batch.id

    batch_id = await asyncio.to_thread(fill)
    async with JobRunner(database, jobs=JOBS) as runner:
        await runner.run_until_idle()
        stats = await (await runner.batches.get(batch_id)).stats()
        assert (stats.status, stats.completed) == (BatchStatus.SUCCEEDED, 3)
        assert await enqueued_by(runner) == {"report": [batch_id], "good": [batch_id]}


async def test_a_block_that_raises_abandons_its_batch(client: JobClient, database: Path) -> None:
    opened = list[OpenedClientBatch]()

    def break_off() -> None:
        with client.batches.open(on_complete=report) as batch:
            opened.append(batch)
            batch.enqueue(work, 1)
            raise ConnectionError("the list breaks off")

    def fail() -> int:
        with pytest.raises(ConnectionError):
            break_off()
        (batch,) = opened
        assert owner_files(database) == []
        batch.abandon()  # a second time
        with pytest.raises(BatchClosed):
            batch.close()
        stats = batch.stats()
        assert (stats.status, stats.unfinished) == (BatchStatus.ABANDONED, 1)
        return batch.id

    batch_id = await asyncio.to_thread(fail)
    async with JobRunner(database, jobs=JOBS) as runner:
        await runner.run_until_idle()
        assert (await (await runner.batches.get(batch_id)).stats()).completed == 1
        assert await enqueued_by(runner) == {}


def test_what_waits_is_cancelled_page_by_page(client: JobClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aiojobs_lite.runner.client_batches.CANCEL_AT_ONCE", 2)
    with client.batches.open(on_complete=report) as batch:
        handles = batch.enqueue_many([work.bind(number) for number in range(5)])
        assert batch.cancel("not needed") == 5
        assert batch.cancel() == 0
    assert {(job.status, job.reason) for job in (client.get(one.id) for one in handles)} == {
        (Status.CANCELLED, "not needed")
    }
    with pytest.raises(InvalidOption, match="reason"):
        batch.cancel("")
    assert client.batches.get(batch.id).stats().is_complete


def test_batches_lie_in_batches_and_one_owner_stands_for_all_blocks(client: JobClient, database: Path) -> None:
    with client.batches.open() as outer:
        with outer.open(on_complete=report) as inner:
            inner.enqueue(work, 1)
            assert len(owner_files(database)) == 1
        assert len(owner_files(database)) == 1
        stats = inner.stats()
        assert (stats.parent, outer.stats().batches) == (outer.id, 1)
    assert owner_files(database) == []
    block = outer.open()
    with pytest.raises(BatchClosed), block:
        pass
    assert owner_files(database) == []
    with pytest.raises(BatchClosed, match="takes no more jobs"):
        client.batches.get(outer.id).enqueue(work, 1)


def test_options_of_a_job_hold_in_a_batch(client: JobClient) -> None:
    with client.batches.open() as batch:
        first = batch.enqueue(work, 1)
        later = batch.enqueue(work.using(after=[first]), 2)
        assert client.get(later.id).held is not None
        unique = work.using(unique=Unique("number"))
        assert [batch.enqueue(unique, 7).is_new for _ in range(2)] == [True, False]
        with pytest.raises(JobNotFound):
            batch.enqueue(work.using(after=[ClientHandleOf(99)]), 3)
        batch.enqueue(few, 1)
        with pytest.raises(QueueFull) as full:
            batch.enqueue(few, 2)
        assert full.value.retry_after == 1.0
        assert batch.stats().total == 4


class ClientHandleOf:
    def __init__(self, job_id: int) -> None:
        self.id = job_id


def test_what_cannot_be_is_refused(client: JobClient) -> None:
    with pytest.raises(InvalidOption, match="on_dead"):
        client.batches.open(on_dead="report")  # type: ignore[arg-type]  # what is refused
    with pytest.raises(InvalidOption, match="without idempotency_key=: a batch enqueues each of its callbacks"):
        client.batches.open(on_complete=report.using(idempotency_key="once"))
    with pytest.raises(UnknownJobType):
        client.batches.open(on_complete=other.bind())
    for wrong in ("1", True, None):
        with pytest.raises(InvalidOption, match="the id of a batch, a whole number"):
            client.batches.get(wrong)  # type: ignore[arg-type]  # the same
    for missing in (0, 99, 2**70):
        with pytest.raises(BatchNotFound, match="there is no batch"):
            client.batches.get(missing)
    block = client.batches.open()
    with block as batch:
        with pytest.raises(UnknownJobType):
            batch.enqueue_many([other.bind()])
        with pytest.raises(InvalidOption, match="job"):
            batch.enqueue("work", 1)  # type: ignore[arg-type]  # the same
    with pytest.raises(BatchClosed), block:  # it is entered once
        pass


async def test_inside_an_event_loop_it_refuses_to_block_it(client: JobClient) -> None:
    with pytest.raises(WrongEventLoop), client.batches.open():
        pass


def test_a_batch_that_could_not_be_opened_leaves_no_owner(
    client: JobClient, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: Session, write: object, now: int) -> None:
        raise StoreUnavailable("SQLITE_FULL", "no space is left")

    client.enqueue(work, 1)
    with monkeypatch.context() as patch:
        patch.setattr(Session, "write", full)
        with pytest.raises(StoreUnavailable), client.batches.open():
            pass
    assert owner_files(database) == []


def test_a_batch_whose_end_failed_stays_open_until_it_is_closed_again(
    client: JobClient, database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = Session.write

    def full(self: Session, given: object, now: int) -> object:
        if isinstance(given, CloseBatch):
            raise StoreUnavailable("SQLITE_FULL", "no space is left")
        return write(self, given, now)  # type: ignore[arg-type]  # any write

    with monkeypatch.context() as patch:
        patch.setattr(Session, "write", full)
        with pytest.raises(StoreUnavailable), client.batches.open(on_complete=report) as batch:
            batch.enqueue(work, 1)
    assert len(owner_files(database)) == 1  # else a runner would abandon it
    assert batch.stats().status is BatchStatus.OPEN
    batch.close()
    assert owner_files(database) == []
    assert batch.stats().status is BatchStatus.CLOSED


def test_a_failed_block_of_a_closed_client_raises_what_it_raised(
    client: JobClient, database: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def break_off() -> None:
        with client.batches.open():
            client.close()
            raise ConnectionError

    with pytest.raises(ConnectionError):
        break_off()
    assert "was not abandoned when its block failed: the client is closed" in caplog.text
    assert owner_files(database) == []  # so a runner abandons it
    with pytest.raises(ClientClosed), client.batches.open():
        pass
    assert not OWNERS_OF_THIS_PROCESS


async def test_a_runner_leaves_the_batch_of_a_client_that_lives_and_abandons_that_of_one_that_has_ended(
    client: JobClient, database: Path
) -> None:
    block = client.batches.open(on_complete=report)
    async with JobRunner(database, jobs=JOBS, max_running=0) as runner:
        batch = await asyncio.to_thread(block.__enter__)
        await Probe(runner).note_dead_runners()
        assert not (await asyncio.to_thread(batch.stats)).is_abandoned
        batch.leave_owner()  # as the end of its process
        await Probe(runner).note_dead_runners()
        assert (await asyncio.to_thread(batch.stats)).is_abandoned
        with pytest.raises(BatchClosed):
            await asyncio.to_thread(block.__exit__, None, None, None)


def test_the_testing_kit_replaces_its_database(tmp_path: Path) -> None:
    path = tmp_path / "app.db"
    client = JobClient(path, jobs=JOBS)
    with JobKit() as job_kit:
        job_kit.replace(client)
        with client.batches.open(on_complete=report) as batch:
            batch.enqueue(work, 1)
            batch.cancel()
        job_kit.assert_enqueued(work, number=1)
        job_kit.assert_enqueued(report, batch_id=batch.id)
    assert not path.exists()


PROGRAM = """
import os, sys
from tests.runner.test_client_batches import JOBS, report, work
from aiojobs_lite import JobClient

client = JobClient(sys.argv[1], jobs=JOBS)
with client.batches.open(on_complete=report) as batch:
    batch.enqueue(work, 1)
    if sys.argv[2] == "forks":
        child = os.fork()
        if not child:
            client.batches.get(batch.id).enqueue(work, 2)
            sys.exit()  # through the end of the block
        os.waitpid(child, 0)
        assert not batch.stats().is_abandoned
        batch.enqueue(work, 3)
    else:
        print(batch.id, flush=True)
        sys.stdin.read()  # for ever
stats = batch.stats()
print(stats.status, stats.total)
"""


@slow
def test_the_end_of_a_block_is_that_of_the_process_that_began_it(database: Path) -> None:
    command = [sys.executable, "-c", PROGRAM, str(database), "forks"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=60)
    assert (done.stdout, done.stderr) == ("closed 3\n", "")


@slow
async def test_the_batch_of_a_client_that_was_killed_is_abandoned(database: Path) -> None:
    pipe = asyncio.subprocess.PIPE
    command = [sys.executable, "-c", PROGRAM, str(database), "waits"]
    program = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdin=pipe, stdout=pipe)
    try:
        assert program.stdout is not None
        batch_id = int(await program.stdout.readline())
        async with JobRunner(database, jobs=JOBS) as runner:
            batch = await runner.batches.get(batch_id)
            await Probe(runner).note_dead_runners()
            assert not (await batch.stats()).is_abandoned
            program.kill()
            await program.wait()
            await Probe(runner).note_dead_runners()
            assert (await batch.stats()).is_abandoned
    finally:
        if program.returncode is None:
            program.kill()
        await program.communicate()
