"""A call that is cancelled at any moment: carried out whole or not at all, and nothing is held, left or forgotten."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite import JobCancelled, JobHandle, JobNotFound, JobRunner, Outcome, Status, job
from aiojobs_lite.engine import last_writes
from aiojobs_lite.errors import JobNotAllowed
from aiojobs_lite.handlers.job_type import JobType
from aiojobs_lite.model.job import Job
from aiojobs_lite.model.queries import GetJob
from aiojobs_lite.stores.open import open_store
from aiojobs_lite.stores.sqlite.connection import Connection
from aiojobs_lite.stores.sqlite.inline import InlinePolicy
from aiojobs_lite.stores.sqlite.store import SqliteStore
from aiojobs_lite.testing.probe import Probe
from tests.helpers import stores as rows
from tests.helpers.cancelling import WAYS, Call, at_every_moment, nothing_left
from tests.helpers.fault_store import FULL, Fault, FaultStore
from tests.helpers.rings import depth, first_of
from tests.helpers.waiting import PATIENCE, quiet, until

EVERY_WAY = pytest.mark.parametrize("way", first_of(2, WAYS))
SOME_WAYS = pytest.mark.parametrize("way", first_of(1, ["at_two_turns", "as_it_waits", "by_a_task_group"]))
STEP = depth(18, 6)  # turns, where a call has very many and what it opens takes its time
Enqueues = Callable[[JobRunner, JobType[..., Any], int], Coroutine[Any, Any, Any]]


def recorder(ran: Counter[int], **options: Any) -> JobType[..., Any]:
    """A job type that counts how often each of its jobs ran."""

    @job(name="counted", **options)
    async def counted(n: int) -> int:
        ran[n] += 1
        return n

    return counted


def owners(database: Path) -> list[Path]:
    """The files of owners that live, or died."""
    return list(database.parent.glob(f"{database.name}-owner-*"))


# Enqueuing.


def plain(runner: JobRunner, counted: JobType[..., Any], n: int) -> Coroutine[Any, Any, Any]:
    return runner.enqueue(counted, n)


def keyed(runner: JobRunner, counted: JobType[..., Any], n: int) -> Coroutine[Any, Any, Any]:
    return runner.enqueue(counted.using(idempotency_key=f"key {n}"), n)


def many(runner: JobRunner, counted: JobType[..., Any], n: int) -> Coroutine[Any, Any, Any]:
    return runner.enqueue_many([counted.using(idempotency_key=f"{n} {m}").bind(n) for m in range(3)])


def stored(other: sqlite3.Connection, n: int) -> int:
    """How many jobs of a number there are; counted by another program, which is given the write lock at once."""
    other.execute("BEGIN IMMEDIATE")
    try:
        ((broken,),) = other.execute("SELECT count(*) FROM aiojobs_jobs WHERE status <> 'completed'").fetchall()
        counted = "SELECT count(*) FROM aiojobs_jobs WHERE json_extract(payload, '$.n') = ?"
        ((found,),) = other.execute(counted, (n,)).fetchall()
    finally:
        other.execute("ROLLBACK")
    assert broken == 0
    return int(found)


@EVERY_WAY
@pytest.mark.parametrize(("durability", "company"), first_of(2, [("full", 0), ("full", 6), ("normal", 6)]))
@pytest.mark.parametrize("enqueues", [plain, keyed, many])
async def test_a_cancelled_enqueue_left_whole_rows_or_none_and_can_be_repeated(
    database: Path, way: str, durability: Any, company: int, enqueues: Enqueues, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(InlinePolicy, "admit_durable_commit", lambda *_: False)  # a quick disk leaves nothing to cancel
    monkeypatch.setattr(InlinePolicy, "is_disk_quick", False)
    ran: Counter[int] = Counter()
    counted = recorder(ran)
    whole = 3 if enqueues is many else 1
    async with JobRunner(database, jobs=[counted], durability=durability) as runner:
        with closing(sqlite3.connect(database, isolation_level=None, timeout=0)) as other:
            crowd, check = list[asyncio.Future[Any]](), nothing_left()

            async def prepare(n: int) -> Call:
                async def among_others() -> Any:
                    crowd.extend(asyncio.ensure_future(runner.enqueue(counted, -1)) for _ in range(company))
                    await asyncio.sleep(0)  # they go before it
                    return await enqueues(runner, counted, n)

                return among_others

            async for n, ending in at_every_moment(way, prepare):
                await asyncio.gather(*crowd)
                crowd.clear()
                await runner.run_until_idle()
                check()
                found = stored(other, n)
                assert found in ({0, whole} if ending.is_cancelled else {whole})
                if enqueues is not plain:
                    again = await enqueues(runner, counted, n)
                    assert {handle.is_new for handle in (again if enqueues is many else [again])} == {found == 0}
                    await runner.run_until_idle()
                    found = stored(other, n)
                    assert found == whole
                assert ran[n] == found


async def test_a_cancelled_call_of_a_connection_waits_for_its_end(tmp_path: Path) -> None:
    """Else the connection would look free, and be used on two threads at once."""
    connection = await Connection.connect(str(tmp_path / "any.db"))
    entered, go_on = threading.Event(), threading.Event()

    def takes_its_time(_connection: sqlite3.Connection) -> None:
        entered.set()
        go_on.wait(PATIENCE)

    calling = asyncio.ensure_future(connection.call(takes_its_time))
    try:
        await until(entered.is_set)
        for _ in range(3):
            calling.cancel()
            await quiet(beside_database=True)
            assert (calling.done(), connection.is_free) == (False, False)
    finally:
        go_on.set()
    with pytest.raises(asyncio.CancelledError):
        await calling
    assert connection.is_free
    await connection.close()


# Entering and leaving.


async def with_a_dead_owner(path: Path) -> None:
    """Makes a database with a job whose owner has died, and one that waits."""
    store = SqliteStore(path)
    await store.open()
    ago = rows.new("counted", due=-1e8)
    await rows.running(store, ago._replace(payload='{"n": 1}'), owner="0" * 16)
    await rows.inserted(store, ago._replace(payload='{"n": 2}'))
    await store.close()


@SOME_WAYS
async def test_a_cancelled_start_leaves_nothing_and_the_next_one_finds_all(tmp_path: Path, way: str) -> None:
    ran: Counter[int] = Counter()
    counted, first = recorder(ran), tmp_path / "first.db"
    await with_a_dead_owner(first)
    runners: dict[int, JobRunner] = {}

    async def prepare(moment: int) -> Call:
        path = tmp_path / f"{moment}.db"
        path.write_bytes(first.read_bytes())
        runners[moment] = JobRunner(path, jobs=[counted], durability="normal")
        return runners[moment].__aenter__

    check = nothing_left()
    async for moment, ending in at_every_moment(way, prepare, step=STEP):
        runner = runners[moment]
        if not ending.is_cancelled:
            await runner.__aexit__(None, None, None)
        check()
        assert owners(tmp_path / f"{moment}.db") == []
        async with runner:
            await runner.run_until_idle()
            found = [await runner.jobs.get(job_id) for job_id in (1, 2)]
        assert [(one.status, one.attempts) for one in found] == [(Status.COMPLETED, 2), (Status.COMPLETED, 1)]
        lost = [[attempt.attempt for attempt in one.history if attempt.outcome is Outcome.LOST] for one in found]
        assert lost == [[1], []]
    check()


class Leaving:
    """Runners to be left, one a moment, each on a database of its own: idle, running a job, or degraded beside one."""

    def __init__(self, folder: Path, state: str) -> None:
        self._folder, self._state = folder, state
        self._grace = 0.1 if state == "degraded" else 1
        self._entered = asyncio.Event()
        self.runners: dict[int, JobRunner] = {}

    def runner_on(self, moment: int, *faults: Fault, **options: Any) -> JobRunner:
        @job
        async def endless() -> None:
            self._entered.set()
            await asyncio.Event().wait()

        store = open_store(self._folder / f"{moment}.db", "normal")
        faulty = FaultStore(store, *faults, has_inline=self._state != "degraded")
        return JobRunner(faulty, jobs=[endless], drain_timeout=0.01, cancel_grace=self._grace, **options)

    async def prepare(self, moment: int) -> Call:
        self._entered.clear()
        is_degraded = False
        full = Fault(error=FULL, when=lambda _units: is_degraded)
        runner = self.runners[moment] = self.runner_on(moment, full)
        await runner.__aenter__()
        if self._state != "idle":
            await runner.enqueue_named("endless")
            await self._entered.wait()
        is_degraded = self._state == "degraded"

        async def leaves() -> None:
            await runner.__aexit__(None, None, None)

        return leaves


@SOME_WAYS
@pytest.mark.parametrize("state", ["idle", "running", "degraded"])
async def test_a_cancelled_leave_closes_all_the_same_and_costs_no_attempt(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str, state: str
) -> None:
    monkeypatch.setattr(last_writes, "LAST_WRITES_LEAST_S", 0.02)  # it is in vain where the store cannot be written
    leaving, check = Leaving(tmp_path, state), nothing_left()
    async for moment, ending in at_every_moment(way, leaving.prepare, step=STEP):
        if Probe(leaving.runners[moment]).is_started:  # cancelled before its first line
            assert (moment, ending.is_cancelled) == (0, True)
            await leaving.runners[moment].__aexit__(None, None, None)
        check()
        if state != "degraded":
            assert owners(tmp_path / f"{moment}.db") == []  # else it may have the note for the rescue
        async with leaving.runner_on(moment, max_running=0) as looking:
            found = [(one.status, one.attempts) for one in await looking.jobs.list()]
            await Probe(looking).rescue()
        assert found == [(Status.PENDING, 0)] * (state != "idle")
        assert owners(tmp_path / f"{moment}.db") == []
    check()


@pytest.mark.parametrize("way", ["as_it_waits", "at_two_turns"])
@pytest.mark.parametrize("name", ["run_until_idle", "run_forever"])
async def test_a_cancelled_run_leaves_nothing_and_costs_no_attempt(tmp_path: Path, way: str, name: str) -> None:
    done: list[int] = []
    runners: dict[int, JobRunner] = {}

    async def prepare(moment: int) -> Call:
        @job
        async def works() -> None:
            await asyncio.sleep(0)
            done.append(moment)
            if name == "run_forever":
                Probe(runner).drain()

        path = tmp_path / f"{moment}.db"
        runner = runners[moment] = JobRunner(path, jobs=[works], durability="normal")
        async with JobRunner(path, jobs=[works], max_running=0) as before:
            await before.enqueue(works)
        call: Call = getattr(runner, name)
        return call

    check = nothing_left()
    async for moment, _ending in at_every_moment(way, prepare, step=STEP):
        check()
        assert owners(tmp_path / f"{moment}.db") == []
        async with runners[moment] as runner:
            await runner.run_until_idle()
            (found,) = await runner.jobs.list()
        assert (found.status, found.attempts, done.count(moment)) == (Status.COMPLETED, 1, 1)
    check()


# Waiting and steering.


@EVERY_WAY
async def test_a_cancelled_wait_for_a_result_is_forgotten_and_the_job_goes_on(way: str) -> None:
    counted = recorder(Counter())
    async with JobRunner(":memory:", jobs=[counted]) as runner:
        handles: list[JobHandle[Any]] = []
        check = nothing_left()

        async def prepare(moment: int) -> Call:
            handles.append(await runner.enqueue(counted, moment))
            return handles[moment].result

        async for moment, _ending in at_every_moment(way, prepare):
            assert Probe(runner).callers == 0
            assert await handles[moment].result() == moment
            check()


def is_cancelled(found: Job | None) -> bool:
    return found is not None and (found.cancel_requested or found.status is Status.CANCELLED)


def is_gone(found: Job | None) -> bool:
    return found is None


@EVERY_WAY
@pytest.mark.parametrize(
    ("what", "is_carried_out", "expected"),
    [
        ("cancel pending", is_cancelled, JobCancelled),
        ("cancel processing", is_cancelled, JobCancelled),
        ("delete pending", is_gone, JobNotFound),
    ],
)
async def test_a_cancelled_order_is_carried_out_whole_or_not_at_all_and_its_caller_is_answered(
    database: Path, way: str, what: str, is_carried_out: Callable[[Job | None], bool], expected: type[Exception]
) -> None:
    entered = asyncio.Event()

    @job
    async def endless() -> None:
        entered.set()
        await asyncio.Event().wait()

    verb, state = what.split()
    async with JobRunner(database, jobs=[endless], drain_timeout=0) as runner:
        handles: list[JobHandle[None]] = []
        waiting: list[asyncio.Task[None]] = []
        tasks, known = asyncio.all_tasks(), set[asyncio.Task[Any]]()

        async def prepare(_moment: int) -> Call:
            entered.clear()
            handle = await runner.enqueue(endless.using(delay="1h" if state == "pending" else 0))
            handles.append(handle)
            waiting.append(asyncio.ensure_future(handle.result()))
            if state == "processing":
                await entered.wait()
            known.update(asyncio.all_tasks())
            return lambda: getattr(runner.jobs, verb)(handle.id)

        async for moment, ending in at_every_moment(way, prepare):
            await until(lambda: asyncio.all_tasks() <= known)  # an order that was begun goes on
            found = await Probe(runner).ask(GetJob(handles[moment].id))
            if not is_carried_out(found):
                assert ending.is_cancelled
                assert not waiting[moment].done()
                await getattr(runner.jobs, verb)(handles[moment].id)
            async with asyncio.timeout(PATIENCE):
                with pytest.raises(expected):
                    await waiting[moment]
            await until(lambda: runner.stats().running == 0)
            await until(lambda: asyncio.all_tasks() <= tasks)


@EVERY_WAY
async def test_an_order_that_fails_when_its_caller_is_gone_complains_nowhere(database: Path, way: str) -> None:
    complaints: list[Any] = []
    counted = recorder(Counter())
    async with JobRunner(database, jobs=[counted]) as runner:
        handle = await runner.enqueue(counted, 0)
        await runner.run_until_idle()
        tasks = asyncio.all_tasks()
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))

        async def is_refused() -> None:
            with pytest.raises(JobNotAllowed):
                await handle.cancel()

        async def prepare(_moment: int) -> Call:
            return is_refused

        async for _moment, _ending in at_every_moment(way, prepare):
            await until(lambda: asyncio.all_tasks() <= tasks)
        gc.collect()
        assert complaints == []


@EVERY_WAY
async def test_a_cancelled_redrive_left_the_job_dead_or_runs_it(way: str) -> None:
    tries: Counter[int] = Counter()

    @job(max_attempts=1)
    async def flaky(n: int) -> None:
        tries[n] += 1
        if tries[n] == 1:
            raise ValueError("not yet")

    async with JobRunner(":memory:", jobs=[flaky]) as runner:
        handles: list[JobHandle[None]] = []
        tasks = asyncio.all_tasks()

        async def prepare(moment: int) -> Call:
            handles.append(await runner.enqueue(flaky, moment))
            await runner.run_until_idle()
            return lambda: runner.jobs.redrive(handles[moment].id)

        async for moment, ending in at_every_moment(way, prepare):
            await until(lambda: asyncio.all_tasks() <= tasks)
            await runner.run_until_idle()
            found = await handles[moment].job()
            expected = {1: Status.DEAD, 2: Status.COMPLETED}
            assert found.status is expected[tries[moment]]
            assert ending.is_cancelled or tries[moment] == 2


@EVERY_WAY
@pytest.mark.parametrize("verb", ["pause", "resume"])
async def test_a_cancelled_pause_or_resume_holds_back_or_lets_go_as_it_is_stored(
    database: Path, way: str, verb: str
) -> None:
    counted = recorder(Counter())

    def is_paused() -> bool:
        with closing(sqlite3.connect(database)) as other:
            return other.execute("SELECT type FROM aiojobs_pauses").fetchall() == [("counted",)]

    async with JobRunner(database, jobs=[counted]) as runner:
        tasks = asyncio.all_tasks()
        handles: list[JobHandle[Any]] = []

        async def prepare(moment: int) -> Call:
            await (runner.types.resume if verb == "pause" else runner.types.pause)(counted)
            if verb == "resume":
                handles.append(await runner.enqueue(counted, moment))
            return lambda: getattr(runner.types, verb)(counted)

        async for moment, _ending in at_every_moment(way, prepare):
            await until(lambda: asyncio.all_tasks() <= tasks)
            if verb == "pause":
                handles.append(await runner.enqueue(counted, moment))
            await runner.run_until_idle()
            expected = Status.PENDING if is_paused() else Status.COMPLETED
            assert (await handles[moment].job()).status is expected
