"""Micro-batches for their callers: many enqueues, one call of the handler, one result."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest
from pydantic import BaseModel

from aiojobs_lite import JobClient, JobContext, JobRunner, Jobs, Retry, Status, injected
from aiojobs_lite.errors import InvalidPayload, JobDead, QueueFull
from aiojobs_lite.flow import Batch
from aiojobs_lite.limits import Limit
from aiojobs_lite.testing.clock import FakeClock
from aiojobs_lite.testing.kit import JobKit
from tests.helpers.waiting import until


class Mail(BaseModel):
    org_id: int
    to: str = "a"


jobs = Jobs()


@jobs.job(batch=Batch(3, max_wait="5s", key="org_id"), max_attempts=2)
async def send(mails: list[Mail], *, ctx: JobContext = injected) -> str:
    texts = [mail.to for mail in mails]
    if "late" in texts and ctx.attempt == 1:
        raise Retry(after="1h")
    if "bad" in texts:
        raise ValueError(texts)
    return " ".join(texts)


@jobs.job(batch=Batch(3, max_wait="5s", key="org_id"), limits=[Limit(1, key="org_id")], max_pending=2)
async def bounded(mails: Sequence[Mail]) -> int:
    return len(mails)


@pytest.fixture
def runner(clock: FakeClock) -> JobRunner:
    return JobRunner(":memory:", jobs=[jobs], clock=clock)


def mail(org_id: int, to: str) -> Mail:
    return Mail(org_id=org_id, to=to)


async def test_items_run_together_when_they_are_enough_or_have_waited_enough(
    runner: JobRunner, clock: FakeClock
) -> None:
    async with runner:
        first = await runner.enqueue(send, [mail(1, "a")])
        other = await runner.enqueue(send, mails=[mail(2, "x")])
        clock.advance(4)
        second = await runner.enqueue(send, [mail(1, "b")])
        assert (second.id, second.is_new) == (first.id, False)
        assert runner.stats().processing == 0
        clock.advance(1)
        assert await first.result("10s") == await second.result("10s") == "a b"
        assert await other.result("10s") == "x"
        handles = [await runner.enqueue_named("send", mails=[{"org_id": 1, "to": text}]) for text in "abc"]
        assert [await handle.result("10s") for handle in handles] == ["a b c"] * 3
        assert [handle.is_new for handle in handles] == [True, False, False]


async def test_many_at_once_fill_one_job_after_the_other(runner: JobRunner, clock: FakeClock) -> None:
    async with runner:
        handles = await runner.enqueue_many([send.bind([mail(1, str(n))]) for n in range(7)])
        assert [handle.id for handle in handles] == [1, 1, 1, 2, 2, 2, 3]
        assert [await handle.result("10s") for handle in handles[:6:3]] == ["0 1 2", "3 4 5"]
        threadsafe = await asyncio.to_thread(runner.enqueue_threadsafe, send, [mail(1, "7")])
        assert (threadsafe.id, threadsafe.is_new) == (3, False)
        clock.advance(5)
        assert await threadsafe.result("10s") == "6 7"


async def test_a_call_that_brings_what_no_job_takes_writes_nothing(runner: JobRunner) -> None:
    async with runner:
        for items in ([], [mail(1, "a")] * 4, [mail(1, "a"), mail(2, "b")]):
            with pytest.raises(InvalidPayload):
                await runner.enqueue(send, items)
            with pytest.raises(InvalidPayload):
                await runner.enqueue_many([send.bind([mail(1, "a")]), send.bind(items)])
        assert await runner.jobs.list() == []


async def test_a_call_that_fails_is_tried_again_and_dead_as_a_whole(runner: JobRunner, clock: FakeClock) -> None:
    async with runner:
        first = await runner.enqueue(send, [mail(1, "late"), mail(1, "bad")])
        clock.advance(5)
        await until(lambda: runner.stats().retrying == 1)
        later = await runner.enqueue(send, [mail(1, "b")])
        assert later.is_new
        clock.advance(5)
        assert await later.result("10s") == "b"
        clock.advance(3600)
        with pytest.raises(JobDead):
            await first.result("10s")
        assert (await first.job()).payload["mails"][1]["to"] == "bad"
        await runner.jobs.redrive(first.id)
        assert (await runner.enqueue(send, [mail(1, "c")])).is_new


async def test_one_call_counts_once_for_bounds_and_limits(runner: JobRunner, clock: FakeClock) -> None:
    async with runner:
        for _ in range(2):
            await runner.enqueue(bounded, [mail(1, "a")])
        await runner.enqueue(bounded, [mail(2, "a")])
        with pytest.raises(QueueFull):
            await runner.enqueue(bounded, [mail(3, "a")])
        assert not (await runner.enqueue(bounded, [mail(1, "a")])).is_new
        await until(lambda: runner.stats().completed == 1)
        clock.advance(5)
        await until(lambda: runner.stats().completed == 2)


async def test_a_cancelled_job_lets_later_items_begin_anew(runner: JobRunner, clock: FakeClock) -> None:
    async with runner:
        first = await runner.enqueue(send, [mail(1, "a")])
        await first.cancel()
        second = await runner.enqueue(send, [mail(1, "b")])
        await runner.jobs.redrive(first.id)
        assert await first.result("10s") == "a"
        clock.advance(5)
        assert await second.result("10s") == "b"


async def test_a_job_that_was_there_is_not_added_to_a_batch_of_jobs(runner: JobRunner, clock: FakeClock) -> None:
    async with runner:
        first = await runner.enqueue(send, [mail(1, "a")])
        async with runner.batches.open() as batch:
            assert (await batch.enqueue(send, [mail(1, "b")])).id == first.id
            made = await batch.enqueue(send, [mail(2, "c")])
        assert (await batch.stats()).total == 1
        assert await runner.batches.find(first.id) is None
        clock.advance(5)
        assert [await handle.result("10s") for handle in (first, made)] == ["a b", "c"]


async def test_items_of_a_transaction_that_is_rolled_back_leave_the_job_as_it_was(
    database: Path, clock: FakeClock
) -> None:
    async with JobRunner(database, jobs=[jobs], clock=clock) as runner:
        first = await runner.enqueue(send, [mail(1, "a")])
        with closing(sqlite3.connect(database)) as connection:
            for end in (connection.rollback, connection.commit):
                connection.execute("BEGIN")
                handle = await runner.enqueue_in(connection, send, [mail(1, "b")])
                assert (handle.id, handle.is_new) == (first.id, False)
                end()
        assert len((await first.job()).payload["mails"]) == 2


def test_a_client_appends_items(database: Path) -> None:
    with JobClient(database, jobs=[jobs]) as client:
        made = [client.enqueue(send, [mail(1, text)]) for text in "abcd"]
        assert [(handle.id, handle.is_new) for handle in made] == [(1, True), (1, False), (1, False), (2, True)]
        assert (client.get(1).unique_key, client.get(2).status) == (None, Status.PENDING)


async def test_in_a_test_time_runs_it_and_a_call_of_it_stays_a_plain_call(runner: JobRunner, job_kit: JobKit) -> None:
    job_kit.replace(runner)
    async with runner:
        handle = await runner.enqueue(send, [mail(1, "a")])
        await runner.enqueue(send, [mail(1, "b")])
        assert job_kit.assert_enqueued(send).arguments == {"mails": [mail(1, "a").model_dump()]}
        await job_kit.advance("4.9s")
        assert (await handle.job()).status is Status.PENDING
        await job_kit.advance("0.1s")
        assert await handle.result() == "a b"
    assert await bounded([mail(1, "a")]) == 1
