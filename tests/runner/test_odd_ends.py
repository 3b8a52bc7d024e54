"""Ends that no row could hold: each job ends all the same, once, and says why."""

from __future__ import annotations

import asyncio
from typing import Any, NoReturn

import pytest

from aiojobs_lite import Backoff, JobDead, JobRunner, Retry, Snooze, Status, job
from aiojobs_lite.clock import FIRST_INSTANT, LAST_INSTANT, after, to_datetime
from aiojobs_lite.errors import ResultNotKept
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.rings import slow

DELAYS: list[Any] = [1e300, float("nan"), float("inf"), 10**400, 2**63, "soon"]


class OwnRetry(Retry):
    """Its delay is never checked."""

    def __init__(self, index: int) -> None:
        self.after = DELAYS[index]


class OwnSnooze(Snooze):
    def __init__(self, index: int) -> None:
        self.delay = DELAYS[index]


class OddBackoff(Backoff):
    def delay(self, *_: Any) -> float:
        raise RuntimeError("no delay")


def retry(index: int) -> NoReturn:
    raise OwnRetry(index)


def snooze(index: int) -> NoReturn:
    raise OwnSnooze(index)


async def retry_on_the_loop(index: int) -> NoReturn:
    raise OwnRetry(index)


async def snooze_on_the_loop(index: int) -> NoReturn:
    raise OwnSnooze(index)


async def fail() -> NoReturn:
    raise ValueError("x")


HANDLERS = {"async": (retry_on_the_loop, snooze_on_the_loop), "thread": (retry, snooze), "process": (retry, snooze)}


@pytest.mark.parametrize("mode", ["async", "thread", pytest.param("process", marks=slow)])
async def test_a_delay_that_no_row_holds_ends_the_attempt_all_the_same(mode: str) -> None:
    types = [job(process=mode == "process")(handler) for handler in HANDLERS[mode]]
    async with JobRunner(":memory:", jobs=types, clock=FakeClock()) as runner:
        for declared in types:
            for index in range(len(DELAYS)):
                handle = await runner.enqueue(declared.using(delay=0), index)
                while not (found := await handle.job()).history:  # noqa: ASYNC110  # no event says so for all kinds
                    await asyncio.sleep(0)
                assert found.status is Status.PENDING, DELAYS[index]
                assert found.scheduled_at > found.created_at, DELAYS[index]  # else it would run again without a pause
                assert FIRST_INSTANT <= after(0, found.scheduled_at.timestamp()) <= LAST_INSTANT
                await handle.cancel()
        assert runner.stats().processing == 0


async def test_a_backoff_of_the_users_that_fails_does_not_lose_the_attempt() -> None:
    fails = job(backoff=OddBackoff(), max_attempts=2)(fail)
    clock = FakeClock()
    async with JobRunner(":memory:", jobs=[fails], clock=clock) as runner:
        handle = await runner.enqueue(fails)
        await runner.run_until_idle()
        found = await handle.job()
        assert (found.status, found.attempts) == (Status.PENDING, 1)
        assert "no delay" in (found.history[0].message or "")
        clock.advance("1h")
        with pytest.raises(JobDead):
            await handle.result()


def test_an_instant_is_always_one_that_a_datetime_has() -> None:
    assert (to_datetime(FIRST_INSTANT).year, to_datetime(LAST_INSTANT).year) == (1, 9999)
    assert after(0, 1e300) == LAST_INSTANT
    assert after(0, -1e300) == FIRST_INSTANT
    assert after(10, 1.5) == 1_500_010


NOT_JSON: list[Any] = [float("nan"), float("-inf"), {"a": [float("inf")]}, 10**5000, "\ud800", {"\ud800": 1}]


@pytest.mark.parametrize("value", NOT_JSON, ids=range(len(NOT_JSON)))
async def test_a_result_that_json_has_not_is_not_kept_and_its_job_is_done(value: Any) -> None:
    @job
    async def gives() -> Any:
        return value

    async with JobRunner(":memory:", jobs=[gives], clock=FakeClock()) as runner:
        handle = await runner.enqueue(gives)
        with pytest.raises(ResultNotKept) as caught:
            await handle.result()
        assert "its result was not kept: the result" not in str(caught.value)
        found = await handle.job()
        assert (found.status, found.attempts, found.result) == (Status.COMPLETED, 1, None)


async def test_a_result_that_nothing_awaits_is_no_success() -> None:
    @job(max_attempts=1)
    async def forgets() -> Any:
        return fail()

    @job(max_attempts=1, keep_result=False)
    async def starts() -> Any:
        return (number for number in range(3))

    async with JobRunner(":memory:", jobs=[forgets, starts], clock=FakeClock()) as runner:
        with pytest.raises(JobDead, match=r"returned a coroutine that nothing awaits\. Await it there"):
            await (await runner.enqueue(forgets)).result()
        with pytest.raises(JobDead, match=r"returned a generator, whose code has not run\. Return a list"):
            await (await runner.enqueue(starts)).result()
