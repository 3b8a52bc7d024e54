"""Jobs that are suspended, beside all else that is done with pending jobs: they have begun, and hold nothing."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from aiojobs_lite import Backoff, JobCancelled, JobContext, JobRunner, Status, injected, job
from aiojobs_lite.errors import QueueFull, UniqueConflict
from aiojobs_lite.flow import Debounce, Unique
from aiojobs_lite.model.job import Held
from aiojobs_lite.testing import JobKit
from tests.helpers.kits import move_when_quiet

calls: Counter[str] = Counter()
REPLACE = Unique("key", on_conflict="replace")


@pytest.fixture(autouse=True)
def _forget() -> None:
    calls.clear()


async def noted(text: str) -> str:
    calls[text] += 1
    return text


@job(backoff=Backoff(base="1m"))
async def sleeper(key: int, text: str, ctx: JobContext = injected) -> list[str]:
    """Notes its text, sleeps for a day, and returns both."""
    noted_before = await ctx.step("note", noted, text)
    if text == "fails" and not calls["failed"]:
        calls["failed"] += 1
        raise ConnectionError
    await ctx.sleep("nap", "1d")
    return [noted_before, text]


def sleeping_runner(max_running: int = 100) -> JobRunner:
    return JobRunner(":memory:", jobs=[sleeper], max_running=max_running)


@pytest.mark.parametrize("unique", [REPLACE, Unique("key", scope="30d", on_conflict="replace")])
@pytest.mark.parametrize("text", ["first", "fails"])
async def test_an_enqueue_never_replaces_the_payload_of_a_job_that_has_steps(
    job_kit: JobKit, unique: Unique, text: str
) -> None:
    """Its steps have stored what they made of the payload that it has."""
    async with job_kit(sleeping_runner()) as runner:
        configured = sleeper.using(unique=unique, delay="1s")
        handle = await runner.enqueue(configured, key=1, text="too early to matter")
        assert not (await runner.enqueue(configured, key=1, text=text)).is_new
        await job_kit.advance(2)
        with pytest.raises(UniqueConflict, match=rf"job {handle.id} \(pending\) has the same unique key") as caught:
            await runner.enqueue(configured, key=1, text="second")
        assert caught.value.job_id == handle.id
        await job_kit.advance("25h")
        assert await handle.result() == [text, text]
    assert calls["second"] == 0


async def test_a_debounced_job_that_sleeps_takes_no_further_enqueue(job_kit: JobKit) -> None:
    async with job_kit(sleeping_runner()) as runner:
        configured = sleeper.using(debounce=Debounce("5s", key="key"))
        first = await runner.enqueue(configured, key=1, text="first")
        await job_kit.advance("5s")
        second = await runner.enqueue(configured, key=1, text="second")
        assert second.is_new
        await job_kit.advance("25h")
        assert [await first.result(), await second.result()] == [["first", "first"], ["second", "second"]]


async def test_a_job_that_has_begun_does_not_expire(job_kit: JobKit) -> None:
    async with job_kit(sleeping_runner(max_running=1)) as runner:
        configured = sleeper.using(expires="1h")
        handle = await runner.enqueue(configured, key=1, text="first")
        await job_kit.advance("25h")
        assert await handle.result() == ["first", "first"]


async def test_suspended_jobs_count_as_pending_and_hold_no_slot(job_kit: JobKit) -> None:
    runner = sleeping_runner(max_running=1)

    @runner.job
    async def waiter(ctx: JobContext = injected) -> None:
        await ctx.wait_for_event("answer", "e")

    async with job_kit(runner):
        configured = sleeper.using(max_pending=3)
        for number in range(3):
            await runner.enqueue(configured, key=number, text="first")
            await runner.enqueue(waiter)
        await job_kit.advance(1)
        stats = runner.stats()
        assert (stats.pending, stats.scheduled, stats.held, stats.retrying, stats.running) == (6, 3, 3, 0, 0)
        with pytest.raises(QueueFull):
            await runner.enqueue(configured, key=9, text="one too many")
        held = await runner.jobs.list(held=Held.EVENT)
        assert {job.type for job in held} == {"waiter"}
        await runner.send("e")
        await job_kit.advance("25h")
        stats = runner.stats()
        assert (stats.pending, stats.scheduled, stats.held) == (0, 0, 0)


async def test_a_job_that_sleeps_for_longer_than_jobs_are_kept_is_kept(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:", keep_completed="1d", keep_dead="1d")

    @runner.job
    async def long_sleeper(ctx: JobContext = injected) -> str:
        first = await ctx.step("note", noted, "first")
        await ctx.sleep("nap", "400d")
        return first

    async with job_kit(runner):
        handle = await runner.enqueue(long_sleeper)
        for _ in range(4):
            await job_kit.advance("99d")
        await job_kit.advance("4d")
        assert await handle.result() == "first"
    assert calls["first"] == 1


@pytest.mark.parametrize("waits", [False, True])
async def test_a_job_that_is_cancelled_while_it_is_suspended_never_goes_on(job_kit: JobKit, waits: bool) -> None:
    runner = JobRunner(":memory:")

    @runner.job
    async def handler(ctx: JobContext = injected) -> None:
        calls["begun"] += 1
        await (ctx.wait_for_event("wait", "e") if waits else ctx.sleep("wait", "1h"))
        calls["gone on"] += 1

    async with job_kit(runner):
        handle = await runner.enqueue(handler)
        await job_kit.advance(1)
        assert await runner.jobs.cancel(handle.id, "no longer needed") is Status.CANCELLED
        await runner.send("e")
        await job_kit.advance("2h")
        with pytest.raises(JobCancelled):
            await handle.result()
        job = await handle.job()
        assert (job.reason, job.held) == ("no longer needed", None)
    assert calls == {"begun": 1}


async def test_a_job_that_is_cancelled_in_the_middle_of_a_step_stops_there(
    job_kit: JobKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    move_when_quiet(monkeypatch)
    runner = JobRunner(":memory:")

    async def endless() -> None:
        calls["step"] += 1
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            calls["stopped"] += 1

    @runner.job
    async def handler(ctx: JobContext = injected) -> None:
        await asyncio.gather(ctx.step("endless", endless), ctx.sleep("nap", "1h"))
        calls["gone on"] += 1

    async with job_kit(runner):
        handle = await runner.enqueue(handler)
        await job_kit.advance(1)
        assert await runner.jobs.cancel(handle.id) is Status.PROCESSING
        await job_kit.advance("2h")
        assert (await handle.job()).status is Status.CANCELLED
    assert calls == {"step": 1, "stopped": 1}
