"""Enqueuing: what is written, what is refused at the door, and what a caller finds afterwards."""

from __future__ import annotations

import asyncio
import random
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite import InvalidPayload, JobDead, JobNotFound, JobRunner, ResultTimeout, Status, job
from aiojobs_lite.clock import to_datetime
from aiojobs_lite.errors import (
    InvalidOption,
    JobNotAllowed,
    PayloadTooLarge,
    RunnerClosed,
    RunnerNotStarted,
    UnknownJobType,
    WrongEventLoop,
)
from aiojobs_lite.telemetry.facts import (
    AttemptStarted,
    DeadRedriven,
    JobBecameCancelled,
    JobEnqueued,
    JobRedriven,
    TypePaused,
    TypeResumed,
)
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.waiting import PATIENCE, next_fact


@job(name="email.welcome")
async def welcome(user_id: int, email: str = "nobody@example.org") -> str:
    return f"{user_id} {email}"


@job
async def other() -> None: ...


@job(max_attempts=1)
async def dies(n: int = 0) -> None:
    raise ValueError(f"number {n}")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def idle(database: Path, clock: FakeClock) -> JobRunner:
    """A runner that enqueues and looks, and runs nothing."""
    return JobRunner(database, jobs=[welcome, other, dies], max_running=0, clock=clock)


@pytest.fixture
def working(database: Path, clock: FakeClock) -> JobRunner:
    return JobRunner(database, jobs=[welcome, other, dies], clock=clock)


async def test_an_enqueued_job_is_written_as_declared_and_as_asked(idle: JobRunner, clock: FakeClock) -> None:
    async with idle:
        plain = await (await idle.enqueue(welcome, 1)).job()
        assert (plain.type, plain.payload, plain.priority, plain.status) == (
            "email.welcome",
            {"user_id": 1},
            "medium",
            Status.PENDING,
        )
        assert (plain.attempts, plain.max_attempts, plain.created_at, plain.scheduled_at) == (
            0,
            5,
            clock.time,
            clock.time,
        )
        named = await (await idle.enqueue("email.welcome", user_id=2, email="b@example.org")).job()
        assert named.payload == {"user_id": 2, "email": "b@example.org"}
        later = welcome.using(delay="5m", priority="low", idempotency_key="welcome:3")
        handle = await idle.enqueue(later, user_id=3)
        found = await handle.job()
        assert (found.scheduled_at - clock.time, found.priority, found.idempotency_key, handle.is_new) == (
            timedelta(minutes=5),
            "low",
            "welcome:3",
            True,
        )
        at = datetime(2030, 5, 6, 7, 8, 9, 123456, tzinfo=timezone(timedelta(hours=2)))
        assert (await (await idle.enqueue(welcome.using(at=at), 4)).job()).scheduled_at == at
        assert idle.stats().scheduled == 2


@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda runner: runner.enqueue("email.welcom", user_id=1), UnknownJobType, "Did you mean 'email.welcome'?"),
        (lambda runner: runner.enqueue(job(name="lost")(other.handler)), UnknownJobType, "'lost' is not registered"),
        (
            lambda runner: runner.enqueue_many([welcome.bind(1), job(name="lost")(other.handler).bind()]),
            UnknownJobType,
            "'lost' is not registered",
        ),
        (lambda runner: runner.enqueue(welcome), InvalidPayload, "user_id: Field required"),
        (lambda runner: runner.enqueue("email.welcome", user_id="x"), InvalidPayload, "user_id: Input should be"),
        (lambda runner: runner.enqueue("email.welcome", user_id=1, emial=2), InvalidPayload, "emial: Extra inputs"),
        (lambda runner: runner.enqueue(welcome, 1, email="x" * 300_000), PayloadTooLarge, "at most 262,144"),
        (lambda runner: runner.enqueue(print), InvalidOption, "a job type"),
        (lambda runner: runner.enqueue_many([other]), InvalidOption, "bound jobs"),
    ],
)
async def test_what_is_wrong_is_refused_at_the_door_and_nothing_is_written(
    idle: JobRunner, call: Any, error: type[Exception], text: str
) -> None:
    async with idle:
        with pytest.raises(error, match=text.replace("?", r"\?")):
            await call(idle)
        assert await idle.jobs.list() == []


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"at": datetime(2030, 1, 1)}, "an aware datetime"),  # noqa: DTZ001  # what is refused
        ({"delay": -1}, "from 0 s"),
        ({"delay": "soon"}, "30s"),
        ({"delay": 1, "at": datetime(2030, 1, 1, tzinfo=UTC)}, "not both"),
        ({"priority": "urgent"}, "'high' or 'medium' or 'low'"),
        ({"idempotency_key": ""}, "1 to 500"),
    ],
)
def test_options_that_cannot_work_are_refused(options: dict[str, Any], text: str) -> None:
    with pytest.raises(InvalidOption, match=text):
        welcome.using(**options)


async def test_ten_thousand_jobs_are_one_transaction_in_their_order(idle: JobRunner) -> None:
    async with idle:
        events = idle.watch()
        handles = await idle.enqueue_many([welcome.bind(n) for n in range(10_000)])
        assert [handle.id for handle in handles] == list(range(1, 10_001))
        assert (await handles[7_777].job()).payload == {"user_id": 7_777}
        assert idle.stats().by_type["email.welcome"].pending == 10_000
        assert (await next_fact(events, JobEnqueued)).job_id > 1  # a listener that is too slow loses the oldest
        assert await idle.enqueue_many([]) == []


async def test_an_idempotency_key_finds_the_first_job(idle: JobRunner) -> None:
    async with idle:
        keyed = welcome.using(idempotency_key="k")
        first = await idle.enqueue(keyed, 1)
        again = await idle.enqueue(keyed, 2)
        assert (again.id, again.is_new) == (first.id, False)
        assert (await again.job()).payload == {"user_id": 1}
        mixed = await idle.enqueue_many([keyed.bind(3), welcome.bind(4), welcome.using(idempotency_key="l").bind(5)])
        assert [handle.is_new for handle in mixed] == [False, True, True]
        assert (await idle.enqueue(other.using(idempotency_key="k"))).is_new  # a key is unique per type
        raced = await asyncio.gather(*(idle.enqueue(welcome.using(idempotency_key="race"), n) for n in range(50)))
        assert len({handle.id for handle in raced}) == 1
        last = await idle.enqueue(keyed, 2)
        assert (await idle.enqueue(other)).id == len(await idle.jobs.list())  # what is seen before uses up no id
        assert not last.is_new
        assert sum(handle.is_new for handle in raced) == 1
        await idle.jobs.delete(first.id)
        assert (await idle.enqueue(keyed, 6)).is_new


async def test_a_cancelled_enqueue_left_one_whole_job_or_none(idle: JobRunner) -> None:
    chance = random.Random(7)
    loop = asyncio.get_running_loop()
    async with idle:
        for n in range(200):
            keyed = welcome.using(idempotency_key=f"key {n}")
            task = loop.create_task(idle.enqueue(keyed, n))
            for _ in range(chance.randrange(12)):
                await asyncio.sleep(0)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            again = await idle.enqueue(keyed, n)  # safe to repeat
            assert (await again.job()).payload == {"user_id": n}
        assert len(await idle.jobs.list(limit=1000)) == 200
        assert idle.stats().pending == 200


async def test_enqueuing_from_a_thread_returns_after_the_commit(working: JobRunner) -> None:
    async with working:
        ids: list[int] = []
        failures: list[Exception] = []

        def work() -> None:
            ids.append(working.enqueue_threadsafe(welcome, user_id=1).id)
            try:
                working.enqueue_threadsafe("email.welcome", user_id="x")
            except InvalidPayload as error:
                failures.append(error)

        await asyncio.to_thread(work)
        assert (await working.jobs.get(ids[0])).payload == {"user_id": 1}
        assert len(failures) == 1
        with pytest.raises(WrongEventLoop, match=r"Use `await runner.enqueue"):
            working.enqueue_threadsafe(other)


async def test_another_loop_or_thread_is_told_so(working: JobRunner) -> None:
    found: list[BaseException] = []

    def use_elsewhere() -> None:
        try:
            asyncio.run(working.enqueue(other))
        except WrongEventLoop as error:
            found.append(error)

    with pytest.raises(RunnerNotStarted):
        working.enqueue_threadsafe(other)
    async with working:
        thread = threading.Thread(target=use_elsewhere)
        thread.start()
        await asyncio.to_thread(thread.join)
        assert "belongs to the event loop in which it was started" in str(found[0])
    with pytest.raises(RunnerClosed):
        working.enqueue_threadsafe(other)


async def test_a_result_is_awaited_before_during_and_after(working: JobRunner) -> None:
    async with asyncio.timeout(PATIENCE), working:
        handle = await working.enqueue(welcome, 1)
        results = await asyncio.gather(*(handle.result() for _ in range(20)))
        assert set(results) == {"1 nobody@example.org"}
        assert await handle.result(timeout=0.5) == "1 nobody@example.org"
        waiting = await working.enqueue(welcome.using(delay="1h"), 2)
        with pytest.raises(ResultTimeout, match=r"did not finish within 0.01 s. It goes on"):
            await waiting.result(timeout=0.01)
        task = asyncio.get_running_loop().create_task(waiting.result())
        await asyncio.sleep(0)
        await working.jobs.delete(waiting.id)
        with pytest.raises(JobNotFound, match="there is no job 2"):
            await task
        with pytest.raises(JobNotFound):
            await waiting.result()
        assert working._engine is not None
        assert working._engine.waiters._futures == {}


async def test_who_still_waits_when_the_runner_is_left_is_told(working: JobRunner) -> None:
    async with working:
        handle = await working.enqueue(welcome.using(delay="1h"), 1)
        task = asyncio.get_running_loop().create_task(handle.result())
        for _ in range(3):
            await working.jobs.get(handle.id)
    with pytest.raises(RunnerClosed):
        await task


async def test_jobs_are_read_in_pages_and_by_filter(working: JobRunner) -> None:
    async with working:
        await working.enqueue_many([welcome.using(delay="1h").bind(n) for n in range(25)])
        dead = await working.enqueue(dies, 1)
        await working.run_until_idle()
        pages: list[list[int]] = []
        after = None
        while page := await working.jobs.list(type="email.welcome", limit=10, after=after):
            pages.append([found.id for found in page])
            after = page[-1].id
        assert [len(page) for page in pages] == [10, 10, 5]
        assert [job_id for page in pages for job_id in page] == list(range(25, 0, -1))
        assert [found.id for found in await working.jobs.list(status="dead")] == [dead.id]
        assert await working.jobs.list(status=Status.PROCESSING) == []
        for wrong in ({"limit": 0}, {"status": "queued"}, {"after": "x"}, {"after": 2**70}, {"type": "\ud800"}):
            with pytest.raises(InvalidOption):
                await working.jobs.list(**wrong)  # what is refused
        for wrong_id in ("1", True, 1.5):
            with pytest.raises(InvalidOption, match="the id of a job"):
                await working.jobs.get(wrong_id)  # type: ignore[arg-type]  # what is refused
        for missing in (0, -1, 999, 2**63, 2**200):
            with pytest.raises(JobNotFound):
                await working.jobs.get(missing)


async def test_dead_jobs_are_redriven_cancelled_ones_too_and_the_bus_hears(working: JobRunner) -> None:
    async with working:
        events = working.watch()
        handles = await working.enqueue_many([dies.bind(n) for n in range(3)])
        scheduled = await working.enqueue(welcome.using(delay="1h"), 1)
        await working.run_until_idle()
        with pytest.raises(JobNotAllowed, match="is pending and cannot be redriven: that takes a dead or cancelled"):
            await working.jobs.redrive(scheduled.id)
        with pytest.raises(JobNotFound):
            await working.jobs.redrive(99)
        await scheduled.cancel("later")
        assert (await next_fact(events, JobBecameCancelled)).reason == "later"
        await working.jobs.redrive(scheduled.id)
        assert (await next_fact(events, JobRedriven)).job_id == scheduled.id
        assert await scheduled.result() == "1 nobody@example.org"
        assert await working.jobs.redrive_all(type="email.welcome") == 0
        assert await working.jobs.redrive_all() == 3
        assert (await next_fact(events, DeadRedriven)).types == "email.welcome"
        assert (await next_fact(events, DeadRedriven)).jobs == 3
        with pytest.raises(JobDead, match="number 2"):
            await handles[2].result()
        await working.jobs.delete(handles[0].id)
        with pytest.raises(JobNotFound):
            await handles[0].job()
        with pytest.raises(JobNotFound):
            await working.jobs.delete(handles[0].id)


async def test_a_paused_type_waits_until_it_is_resumed(working: JobRunner, database: Path) -> None:
    async with working:
        events = working.watch()
        await working.pause(welcome)
        assert (await next_fact(events, TypePaused)).type == "email.welcome"
        held = await working.enqueue(welcome, 1)
        await (await working.enqueue(other)).result()
        assert (await held.job()).status is Status.PENDING
        with pytest.raises(UnknownJobType):
            await working.pause("nobody")
    async with working:  # it is kept in the database
        await working.run_until_idle()
        assert working.stats().by_type["email.welcome"].pending == 1
        started = working.watch()
        await working.resume("email.welcome")
        assert (await next_fact(started, AttemptStarted)).job_id == held.id
        await working.run_until_idle()
        assert working.stats().completed == 2
    assert [event async for event in events if isinstance(event, TypeResumed)] == []


async def test_stats_are_exact_after_every_step(working: JobRunner, clock: FakeClock) -> None:
    async with working:
        await working.enqueue_many([welcome.using(delay="1h").bind(1), other.bind(), dies.bind(0)])
        await working.run_until_idle()
        stats = working.stats()
        assert (stats.pending, stats.scheduled, stats.completed, stats.dead, stats.processing) == (1, 1, 1, 1, 0)
        assert stats.by_type["dies"].success_rate == 0.0
        assert stats.by_type["other"].success_rate == 1.0
        assert (stats.by_type["other"].p50 or 0) > 0
        assert stats.oldest_due_age == 0.0
        assert (stats.degraded, stats.draining, stats.running, stats.stuck) == (None, False, 0, 0)
        assert stats.throughput > 0
        clock.advance("2h")
        await working.run_until_idle()
        stats = working.stats()
        assert (stats.pending, stats.scheduled, stats.completed) == (0, 0, 2)
    async with JobRunner(working._database, jobs=[other], max_running=0, clock=clock) as stranger:
        assert stranger.stats().unclaimed == {}
        assert stranger.stats().by_type["email.welcome"].completed == 1


async def test_jobs_that_nobody_registers_wait_and_are_named(idle: JobRunner, database: Path) -> None:
    async with idle:
        await idle.enqueue_many([welcome.bind(n) for n in range(3)])
    async with JobRunner(database, jobs=[other]) as stranger:
        await stranger.run_until_idle()
        assert stranger.stats().unclaimed == {"email.welcome": 3}


@pytest.mark.parametrize(
    "options",
    [
        {"max_running": -1},
        {"max_running": True},
        {"drain_timeout": "soon"},
        {"cancel_grace": -1},
        {"durability": "maybe"},
        {"keep_completed": None},
        {"keep_dead": "x"},
        {"jobs": [print]},
    ],
)
def test_options_of_the_runner_that_cannot_work_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(InvalidOption) as caught:
        JobRunner(":memory:", **options)
    assert caught.value.option in options


def test_the_database_is_named_by_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("AIOJOBS_LITE_DATABASE", raising=False)
    assert JobRunner()._database == "jobs.db"
    monkeypatch.setenv("AIOJOBS_LITE_DATABASE", str(tmp_path / "x.db"))
    assert JobRunner()._database == str(tmp_path / "x.db")
    assert JobRunner("y.db")._database == "y.db"


async def test_what_is_old_enough_is_pruned(database: Path, clock: FakeClock) -> None:
    runner = JobRunner(
        database, jobs=[welcome, dies], clock=clock, keep_completed="1h", keep_dead="2h", durability="normal"
    )
    async with runner:
        done = await runner.enqueue(welcome, 1)
        dead = await runner.enqueue(dies)
        await runner.run_until_idle()
        assert (await done.job()).completed_at == to_datetime(clock.now())
        for hours, left in (("59m", 2), ("2m", 1), ("2h", 0)):
            clock.advance(hours)
            assert runner._engine is not None
            await runner._engine._janitor.prune()
            assert len(await runner.jobs.list()) == left
        assert runner.stats().dead == runner.stats().completed == 0
        with pytest.raises(JobNotFound):
            await dead.job()


async def test_who_enqueues_goes_on_before_the_first_handler_begins(database: Path) -> None:
    order: list[str] = []

    @job
    async def notes() -> None:
        order.append("handler")

    async with JobRunner(database, jobs=[notes]) as runner:
        await runner.enqueue_many([notes.bind()] * 400)  # too many to be written at once: their caller waits
        order.append("caller")
        await runner.run_until_idle()
    assert order == ["caller", *["handler"] * 400]
