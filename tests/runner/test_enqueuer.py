"""Enqueuing: what is written, what is refused, and what a caller finds afterwards."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite import InvalidPayload, JobRunner, Status, job
from aiojobs_lite.errors import (
    InvalidOption,
    PayloadTooLarge,
    UnknownJobType,
    WrongEventLoop,
)
from aiojobs_lite.telemetry.facts import (
    JobEnqueued,
)
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.cancelling import Call, at_every_moment
from tests.helpers.mail import other, welcome
from tests.helpers.waiting import next_fact


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
        named = await (await idle.enqueue_named("email.welcome", 2, email="b@example.org")).job()
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
        (lambda runner: runner.enqueue_named("email.welcom", user_id=1), UnknownJobType, "mean 'email.welcome'?"),
        (lambda runner: runner.enqueue(job(name="lost")(other.handler)), UnknownJobType, "'lost' is not registered"),
        (
            lambda runner: runner.enqueue(job(name="lost")(other.handler)),
            UnknownJobType,
            "). Register it: JobRunner(jobs=[...]) or runner.register(...).",
        ),
        (
            lambda runner: runner.enqueue_many([welcome.bind(1), job(name="lost")(other.handler).bind()]),
            UnknownJobType,
            "'lost' is not registered",
        ),
        (lambda runner: runner.enqueue(welcome), InvalidPayload, "user_id: Field required"),
        (lambda runner: runner.enqueue_named("email.welcome", user_id="x"), InvalidPayload, "user_id: Input should be"),
        (
            lambda runner: runner.enqueue_named("email.welcome", user_id=1, emial=2),
            InvalidPayload,
            "emial: the handler has no such argument; perhaps 'email'.",
        ),
        (lambda runner: runner.enqueue(welcome, 1, email="x" * 300_000), PayloadTooLarge, "at most 262,144"),
        (lambda runner: runner.enqueue(print), InvalidOption, "a job type"),
        (lambda runner: runner.enqueue("email.welcome", user_id=1), InvalidOption, "it is `enqueue_named(name, ...)`"),
        (lambda runner: runner.enqueue_named(welcome, user_id=1), InvalidOption, "the name of a job type; await"),
        (lambda runner: runner.enqueue_many([other]), InvalidOption, "expected a bound job"),
        (
            lambda runner: runner.enqueue(welcome(1)),
            InvalidOption,
            "expected the job type and its arguments, enqueue(welcome, ...), not a call welcome(...).",
        ),
        (lambda runner: runner.enqueue_many([welcome(1), welcome(2)]), InvalidOption, "made by job_type.bind(...)"),
        (
            lambda runner: runner.enqueue(welcome.bind(1)),
            InvalidOption,
            "bound jobs are enqueued together, by `enqueue_many([...])`, and awaited together by `ctx.gather(name,",
        ),
    ],
)
async def test_what_is_wrong_is_refused_at_once_and_nothing_is_written(
    idle: JobRunner, call: Any, error: type[Exception], text: str
) -> None:
    async with idle:
        with pytest.raises(error, match=re.escape(text)):
            await call(idle)
        assert await idle.jobs.list() == []


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"at": datetime(2030, 1, 1)}, "an aware datetime"),  # noqa: DTZ001  # what is refused
        ({"delay": -1}, "from 0s"),
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
        again = await idle.enqueue(keyed, 1)
        assert (again.id, again.is_new) == (first.id, False)
        assert (await again.job()).payload == {"user_id": 1}
        mixed = await idle.enqueue_many([keyed.bind(1), welcome.bind(4), welcome.using(idempotency_key="l").bind(5)])
        assert [handle.is_new for handle in mixed] == [False, True, True]
        assert (await idle.enqueue(other.using(idempotency_key="k"))).is_new  # a key is unique per type
        raced = await asyncio.gather(*(idle.enqueue(welcome.using(idempotency_key="race"), 9) for _ in range(50)))
        assert len({handle.id for handle in raced}) == 1
        last = await idle.enqueue(keyed, 1)
        assert (await idle.enqueue(other)).id == len(await idle.jobs.list())  # what is seen before uses up no id
        assert not last.is_new
        assert sum(handle.is_new for handle in raced) == 1
        await idle.jobs.delete(first.id)
        assert (await idle.enqueue(keyed, 6)).is_new


async def test_a_cancelled_enqueue_left_one_whole_job_or_none(idle: JobRunner) -> None:
    moments = 0
    async with idle:

        async def prepare(n: int) -> Call:
            return lambda: idle.enqueue(welcome.using(idempotency_key=f"key {n}"), n)

        async for n, _ending in at_every_moment("at_a_turn", prepare):
            again = await idle.enqueue(welcome.using(idempotency_key=f"key {n}"), n)  # safe to repeat
            assert (await again.job()).payload == {"user_id": n}
            moments += 1
        assert len(await idle.jobs.list(limit=1000)) == moments
        assert idle.stats().pending == moments


async def test_enqueuing_from_a_thread_returns_after_the_commit(working: JobRunner) -> None:
    async with working:
        ids: list[int] = []
        failures: list[Exception] = []

        def work() -> None:
            ids.append(working.enqueue_threadsafe(welcome, user_id=1).id)
            try:
                working.enqueue_threadsafe(welcome, user_id="x")  # type: ignore[arg-type]  # what is tested
            except InvalidPayload as error:
                failures.append(error)

        await asyncio.to_thread(work)
        assert (await working.jobs.get(ids[0])).payload == {"user_id": 1}
        assert len(failures) == 1
        with pytest.raises(WrongEventLoop, match=r"Use `await runner.enqueue"):
            working.enqueue_threadsafe(other)


async def test_a_name_from_a_thread_is_corrected(working: JobRunner) -> None:
    given: Any = "email.welcome"
    async with working:
        with pytest.raises(InvalidOption, match=r"by name it is `enqueue_named\(name, \.\.\.\)"):
            await asyncio.to_thread(lambda: working.enqueue_threadsafe(given, user_id=1))


async def test_a_caller_that_enqueues_goes_on_before_the_first_handler_begins(database: Path) -> None:
    order: list[str] = []

    @job
    async def notes() -> None:
        order.append("handler")

    async with JobRunner(database, jobs=[notes]) as runner:
        await runner.enqueue_many([notes.bind()] * 400)  # too many to be written at once: their caller waits
        order.append("caller")
        await runner.run_until_idle()
    assert order == ["caller", *["handler"] * 400]
