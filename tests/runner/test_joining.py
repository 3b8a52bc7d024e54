"""Jobs in the caller's own open transaction: `runner.enqueue_in`, `ctx.enqueue_in` and `client.enqueue_in`."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from collections.abc import AsyncIterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite import JobCancelled, JobClient, JobContext, JobDead, JobNotFound, JobRunner, Status, injected, job
from aiojobs_lite.errors import (
    ClientClosed,
    InvalidOption,
    InvalidPayload,
    JobNotCommitted,
    QueueFull,
    RunnerClosed,
    TransactionRefused,
    UniqueConflict,
    UnknownJobType,
    WrongEventLoop,
)
from aiojobs_lite.flow import Throttle, Unique
from aiojobs_lite.telemetry.facts import JobBecameCancelled, JobEnqueued
from aiojobs_lite.testing import JobKit
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.mail import other, welcome
from tests.helpers.pauses import LOOK_EVERY_S
from tests.helpers.rings import slow
from tests.helpers.transactions import KINDS, Transactions, make_users, users_in
from tests.helpers.waiting import PATIENCE, next_fact, until

OTHERS = ("aiosqlite", "Connection", "Session", "AsyncConnection")


@pytest.fixture
async def started(working: JobRunner, database: Path) -> AsyncIterator[JobRunner]:
    """A runner on a file that has a table of the program's own."""
    async with working:
        make_users(database)
        yield working


@pytest.fixture(params=["sqlite3", "AsyncSession", *(pytest.param(kind, marks=slow) for kind in OTHERS)])
async def program(request: pytest.FixtureRequest, started: JobRunner, database: Path) -> AsyncIterator[Transactions]:
    """A connection of each kind."""
    async with KINDS[request.param](database) as transactions:
        yield transactions


async def test_a_job_is_committed_together_with_a_row(
    started: JobRunner, program: Transactions, database: Path
) -> None:
    facts = started.watch()
    await program.add_user()
    handle = await started.enqueue_in(program.connection, welcome, user_id=1)
    assert handle.is_new
    watch = handle.watch()
    for call in (handle.result, handle.job, handle.cancel, watch.__anext__):
        with pytest.raises(JobNotCommitted, match="not committed yet, or was rolled back"):
            await call()
    assert (users_in(database), await started.jobs.list(), started.stats().pending) == (0, [], 0)
    await program.commit()
    assert await handle.result(PATIENCE) == "1 unknown@example.org"
    assert (await handle.job()).payload == {"user_id": 1}
    assert [change.status async for change in watch] == [Status.COMPLETED]
    assert (await next_fact(facts, JobEnqueued)) == JobEnqueued(handle.id, "email.welcome")
    assert (users_in(database), started.stats().completed) == (1, 1)


async def test_a_job_is_rolled_back_together_with_a_row(
    started: JobRunner, program: Transactions, database: Path
) -> None:
    facts = started.watch()
    await program.add_user()
    lost = await started.enqueue_in(program.connection, welcome, user_id=1)
    await program.roll_back()
    kept = await started.enqueue(welcome, user_id=2)
    assert kept.id == lost.id  # the id was never given to a job that was there
    assert await kept.result(PATIENCE) == "2 unknown@example.org"
    for call in (lost.result, lost.job, lost.cancel, lost.watch().__anext__):
        with pytest.raises(JobNotCommitted):
            await call()
    await started.run_until_idle()
    assert [fact for fact in facts.take() if isinstance(fact, JobEnqueued)] == [JobEnqueued(kept.id, "email.welcome")]
    assert (users_in(database), started.stats().completed) == (0, 1)


async def test_a_job_goes_with_its_savepoint(started: JobRunner, program: Transactions, database: Path) -> None:
    await program.add_user()
    first = await started.enqueue_in(program.connection, welcome, user_id=1)
    await program.execute("SAVEPOINT inner")
    await program.add_user()
    await started.enqueue_in(program.connection, other)
    await program.execute("ROLLBACK TO inner")
    second = await started.enqueue_in(program.connection, welcome, user_id=2)
    await program.commit()
    assert [await one.result(PATIENCE) for one in (first, second)] == [
        "1 unknown@example.org", "2 unknown@example.org",
    ]  # fmt: skip
    assert (users_in(database), {job.type for job in await started.jobs.list()}) == (1, {"email.welcome"})


async def test_many_jobs_go_together(started: JobRunner, program: Transactions, database: Path) -> None:
    await program.add_user()
    assert await started.enqueue_many_in(program.connection, []) == []
    keyed = welcome.using(idempotency_key="k")
    bound = [*(welcome.bind(number) for number in range(200)), keyed.bind(200), keyed.bind(200)]
    handles = await started.enqueue_many_in(program.connection, bound)
    assert [one.is_new for one in handles] == [*[True] * 201, False]
    await program.commit()
    assert await handles[-1].result(PATIENCE) == "200 unknown@example.org"
    await started.run_until_idle()
    assert started.stats().completed == 201


async def test_the_job_may_be_the_first_statement_of_the_transaction(started: JobRunner, program: Transactions) -> None:
    await started.enqueue_in(program.connection, welcome, user_id=1)
    await program.roll_back()
    handle = await started.enqueue_in(program.connection, welcome, user_id=2)
    await program.commit()
    assert await handle.result(PATIENCE) == "2 unknown@example.org"
    await started.run_until_idle()  # the result may be read before this process counts it
    assert started.stats().completed == 1


async def test_keys_options_and_checks_are_those_of_every_enqueue(started: JobRunner, database: Path) -> None:
    once = welcome.using(idempotency_key="k", delay="1h", priority="low", label="eu")
    with closing(sqlite3.connect(database)) as connection:
        for call, error in (
            (lambda: started.enqueue_in(connection, job(name="lost")(other.handler)), UnknownJobType),
            (lambda: started.enqueue_in(connection, welcome, "one"), InvalidPayload),  # type: ignore[arg-type]
            (lambda: started.enqueue_in(timedelta(minutes=5), welcome, 1), InvalidOption),  # type: ignore[arg-type]
            (lambda: started.enqueue_in(connection, "email.welcome", 1), InvalidOption),  # type: ignore[arg-type]
        ):
            with pytest.raises(error) as refused:
                await call()
            if error is InvalidOption:
                assert re.search(
                    "a connection with an open transaction; a delay is given by|by name", str(refused.value)
                )
        assert not connection.in_transaction
        first = await started.enqueue_in(connection, once, 1)
        again = await started.enqueue_in(connection, once, 1)
        assert (first.is_new, again.is_new, again.id) == (True, False, first.id)
        with pytest.raises(JobNotCommitted):
            await again.job()
        connection.commit()
        found = await again.job()
        assert (found.payload, found.priority, found.label) == ({"user_id": 1}, "low", "eu")
        later = await started.enqueue_in(connection, once, 1)
        assert (later.id, later.is_new) == (first.id, False)
        assert (await later.job()).id == first.id  # it was committed before
        connection.rollback()
    await until(lambda: started.stats().scheduled == 1, LOOK_EVERY_S)  # the commit is noticed
    assert await later.cancel() is Status.CANCELLED
    await started.jobs.delete(first.id)
    with pytest.raises(JobNotFound):
        await later.job()


async def test_a_handler_enqueues_in_a_transaction_of_its_own(database: Path) -> None:
    runner = JobRunner(database)

    @runner.job
    async def sends() -> None: ...

    @runner.job(max_attempts=1)
    async def signs_up(fails: bool, ctx: JobContext = injected) -> int:
        with closing(sqlite3.connect(database)) as connection, connection:
            handle = await ctx.enqueue_in(connection, sends)
            if fails:
                raise ValueError("no")
        await handle.result(PATIENCE)
        return handle.id

    async with runner:
        failed, done = [await runner.enqueue(signs_up, fails) for fails in (True, False)]
        assert await done.result(PATIENCE) > 0
        await runner.run_until_idle()
        assert (await failed.job()).status is Status.DEAD
        assert runner.stats().by_type["sends"].completed == 1


async def test_a_handler_in_a_thread_is_given_the_way_that_it_has(started: JobRunner, database: Path) -> None:
    runner = JobRunner(":memory:")

    @runner.job(max_attempts=1)
    def signs_up(ctx: JobContext = injected) -> None:
        ctx.enqueue_in(None, welcome, 1)  # type: ignore[unused-coroutine, arg-type]  # what is tested

    async with runner:
        handle = await runner.enqueue(signs_up)
        with pytest.raises(JobDead, match=r"it enqueues by client\.enqueue_in"):
            await handle.result(PATIENCE)


async def test_a_savepoint_of_sqlalchemy_takes_its_job_with_it(started: JobRunner, database: Path) -> None:
    async with KINDS["AsyncSession"](database) as program:
        await program.add_user()
        nested = await program.connection.begin_nested()
        await started.enqueue_in(program.connection, welcome, user_id=1)
        await nested.rollback()
        async with program.connection.begin_nested():
            handle = await started.enqueue_in(program.connection, welcome, user_id=2)
        await program.commit()
    assert await handle.result(PATIENCE) == "2 unknown@example.org"
    assert (users_in(database), len(await started.jobs.list())) == (1, 1)


async def test_run_until_idle_finds_what_was_just_committed(started: JobRunner, database: Path) -> None:
    with closing(sqlite3.connect(database)) as connection:
        for number in range(3):
            await started.enqueue_in(connection, welcome, user_id=number)
            connection.commit()
            await started.run_until_idle()
            assert started.stats().completed == number + 1


async def test_a_runner_that_is_left_and_one_in_memory_refuse(working: JobRunner, database: Path) -> None:
    async with JobRunner(":memory:", jobs=[welcome]) as in_memory, working:
        with closing(sqlite3.connect(database)) as connection:
            advice = r"in a test, job_kit\.replace\(\.\.\., database=path\)"
            with pytest.raises(TransactionRefused, match="No other connection reaches the jobs of") as refused:
                await in_memory.enqueue_in(connection, welcome, 1)
            assert re.search(advice, str(refused.value))
            assert refused.value.why == "in memory"
            await working.stop()
            with pytest.raises(RunnerClosed):
                await working.enqueue_in(connection, welcome, 1)


async def test_the_testing_kit_lists_what_was_committed(job_kit: JobKit, database: Path) -> None:
    runner = JobRunner(":memory:", jobs=[welcome])
    async with job_kit(runner, database=database):
        with closing(sqlite3.connect(database)) as connection:
            await runner.enqueue_in(connection, welcome, 1)
            connection.rollback()
            job_kit.clock.advance(1)
            await runner.enqueue_in(connection, welcome, 2)
            job_kit.refute_enqueued(welcome)
            connection.commit()
        await job_kit.run_to_end()
        job_kit.refute_enqueued(welcome, user_id=1)
        job_kit.assert_enqueued(welcome, user_id=2)
        with closing(sqlite3.connect(database)) as connection, connection:
            await runner.enqueue_in(connection, welcome.using(idempotency_key="k"), 3)
        await job_kit.run_to_end()
        job_kit.assert_enqueued(welcome, user_id=3)
        assert runner.stats().completed == 2


# Without an event loop.


@pytest.mark.parametrize("kind", ["Session", *(pytest.param(kind, marks=slow) for kind in ("sqlite3", "Connection"))])
async def test_a_client_enqueues_in_a_transaction(
    started: JobRunner, database: Path, kind: str, clock: FakeClock
) -> None:
    async def sign_up(client: JobClient) -> tuple[int, str]:
        async with KINDS[kind](database) as program:
            await program.add_user()
            client_enqueues(client, program.connection, 1)
            await program.roll_back()
            await program.add_user()
            made = client_enqueues(client, program.connection, 2)
            await program.commit()
            return made

    with JobClient(database, jobs=[welcome], clock=clock) as client:
        job_id, key = await asyncio.to_thread(in_steps, sign_up(client))
    assert await started.jobs.wait(job_id)
    assert (await started.jobs.get(job_id)).payload == {"user_id": 2}
    assert (key, users_in(database)) == (started.jobs.key_of(job_id), 1)


def client_enqueues(client: JobClient, connection: Any, user_id: int) -> tuple[int, str]:
    made = client.enqueue_in(connection, welcome, user_id)
    assert made.is_new
    return made.id, made.key


def in_steps(coroutine: object) -> tuple[int, str]:
    """Carries out a coroutine that awaits nothing, where no event loop runs."""
    try:
        coroutine.send(None)  # type: ignore[attr-defined]
    except StopIteration as ended:
        return ended.value  # type: ignore[no-any-return]
    raise AssertionError("it awaits")


def test_a_client_refuses_what_it_cannot_do(database: Path) -> None:
    client = JobClient(database, jobs=[welcome])
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        with pytest.raises(TransactionRefused, match=r"no job tables\. Start a runner"):
            client.enqueue_in(connection, welcome, 1)
        connection.execute("ROLLBACK")
        client.enqueue(welcome, 1)
        with pytest.raises(TransactionRefused, match="no transaction"):
            client.enqueue_in(connection, welcome, 1)
        connection.execute("BEGIN")
        with pytest.raises(UnknownJobType):
            client.enqueue_in(connection, other)
        client.close()
        with pytest.raises(ClientClosed):
            client.enqueue_in(connection, welcome, 1)


async def test_a_client_refuses_an_event_loop(database: Path) -> None:
    with JobClient(database, jobs=[welcome]) as client, pytest.raises(WrongEventLoop):
        client.enqueue_in(None, welcome, 1)  # type: ignore[arg-type]  # what is tested


async def test_the_conditions_of_a_job_type_hold_in_a_transaction_too(database: Path) -> None:
    @job(unique=Unique("n", scope="unfinished", on_conflict="raise"), max_pending=2, on_full="wait")
    async def export(n: int) -> None: ...

    runner = JobRunner(database, jobs=[export], max_running=0)

    def enqueue_by(client: JobClient) -> None:
        with closing(sqlite3.connect(database)) as connection, client:
            client.enqueue_in(connection, export, 1)

    async with runner:
        with closing(sqlite3.connect(database)) as connection:
            first = await runner.enqueue_in(connection, export, 1)
            with pytest.raises(UniqueConflict) as caught:
                await runner.enqueue_in(connection, export, 1)
            assert (caught.value.job_id, await runner.jobs.list()) == (first.id, [])
            await runner.enqueue_in(connection, export, 2)
            with pytest.raises(QueueFull):  # with on_full="wait" as well: the caller has the lock
                await runner.enqueue_in(connection, export, 3)
            connection.commit()
            with pytest.raises(UniqueConflict):
                await asyncio.to_thread(enqueue_by, JobClient(database, jobs=[export]))
        assert [job.payload for job in await runner.jobs.list()] == [{"n": 2}, {"n": 1}]


async def test_what_a_throttle_drops_in_a_transaction_is_counted_too(database: Path) -> None:
    @job(throttle=Throttle("1h", key="n"))
    async def warn(n: int) -> None: ...

    async with JobRunner(database, jobs=[warn], max_running=0) as runner:
        with closing(sqlite3.connect(database)) as connection:
            handles = await runner.enqueue_many_in(connection, [warn.bind(1), warn.bind(1), warn.bind(2)])
            connection.commit()
        assert [handle.is_new for handle in handles] == [True, False, True]
        assert runner.stats().by_type["warn"].throttled == 1


async def test_until_idle_looks_for_what_a_client_has_committed(database: Path) -> None:
    @job
    async def note(n: int) -> None: ...

    with JobClient(database, jobs=[note]) as client:
        async with JobRunner(database, jobs=[note]) as runner:
            for number in range(5):
                await asyncio.to_thread(client.enqueue, note, number)
                await runner.run_until_idle()
                assert runner.stats().completed == number + 1
            await asyncio.to_thread(client.close)


@pytest.mark.parametrize("is_committed", [True, False])
async def test_what_expires_in_a_transaction_is_cancelled_with_it_and_published_by_a_runner_only(
    database: Path, clock: FakeClock, is_committed: bool
) -> None:
    limited = welcome.using(unique=Unique("user_id"), expires="1h")
    async with JobRunner(database, jobs=[welcome], clock=clock, max_running=0) as runner:
        facts, late = runner.watch(), await runner.enqueue(limited, 1)
        waits = asyncio.ensure_future(late.result())
        clock.advance("2h")
        with closing(sqlite3.connect(database)) as connection:
            assert (await runner.enqueue_in(connection, limited, 1)).is_new
            connection.commit() if is_committed else connection.rollback()
        with pytest.raises(JobCancelled, match="expired"):
            await waits
        published = [fact.job_id for fact in facts.take() if isinstance(fact, JobBecameCancelled)]
        assert published == ([] if is_committed else [late.id])
