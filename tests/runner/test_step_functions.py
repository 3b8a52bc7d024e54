"""What a step may call, whatever kind of callable it is, and what the data of an awaited event are."""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from pydantic import BaseModel

from aiojobs_lite import JobContext, JobRunner, Status, injected
from aiojobs_lite.steps import Step
from aiojobs_lite.testing import JobKit

on_threads: list[str] = []


@pytest.fixture(autouse=True)
def _forget() -> None:
    on_threads.clear()


async def double(number: int) -> int:
    on_threads.append(threading.current_thread().name)
    return 2 * number


def triple(number: int) -> int:
    on_threads.append(threading.current_thread().name)
    return 3 * number


def promised(number: int) -> Awaitable[int]:
    return double(number)


class Calculator:
    def __call__(self, number: int) -> int:
        return triple(number)

    async def double(self, number: int) -> int:
        return await double(number)

    def triple(self, number: int) -> int:
        return triple(number)


class AsyncCalculator:
    async def __call__(self, number: int) -> int:
        return await double(number)


async def result_of(job_kit: JobKit, *given: Any) -> Any:
    """What a handler returns that runs one step, or why it is dead."""
    runner = JobRunner(":memory:")

    @runner.job(max_attempts=1)
    async def handler(ctx: JobContext = injected) -> Any:
        return await ctx.step(Step("calculate", max_attempts=1, timeout="30s"), *given)

    async with job_kit(runner):
        handle = await runner.enqueue(handler)
        await job_kit.run_to_end()
        job = await handle.job()
        return job.result if job.status is Status.COMPLETED else str(job.error)


@pytest.mark.parametrize(
    ("function", "args", "expected", "is_in_thread"),
    [
        (double, (2,), 4, False),
        (functools.partial(double, 2), (), 4, False),
        (AsyncCalculator(), (2,), 4, False),
        (Calculator().double, (2,), 4, False),
        (triple, (2,), 6, True),
        (functools.partial(triple, number=2), (), 6, True),
        (Calculator(), (2,), 6, True),
        (Calculator().triple, (2,), 6, True),
        (lambda: triple(2), (), 6, True),
        (lambda: double(2), (), 4, False),  # it is called in a thread, and what it returns is awaited on the event loop
        (promised, (2,), 4, False),
    ],
)
async def test_a_step_calls_whatever_can_be_called(
    job_kit: JobKit, function: Callable[..., Any], args: tuple[Any, ...], expected: int, is_in_thread: bool
) -> None:
    assert await result_of(job_kit, function, *args) == expected
    thread = "aiojobs_lite calculate" if is_in_thread else threading.current_thread().name
    assert on_threads == [thread]


def numbers() -> Any:
    yield 1


async def later_numbers() -> Any:
    yield 1


@pytest.mark.parametrize("function", [numbers, later_numbers, lambda: numbers()])
async def test_a_step_that_returns_code_that_has_not_run_fails(job_kit: JobKit, function: Callable[..., Any]) -> None:
    assert "returned a generator, whose code has not run. Return a list." in await result_of(job_kit, function)


async def test_what_cannot_be_called_is_refused(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job
    async def other() -> None: ...

    advice = "expected a function; a job is started by `ctx.invoke(name, job_type, ...)`."
    assert advice in await result_of(job_kit, other)
    assert advice in await result_of(job_kit, other.using(priority="low"))
    assert "function=7: expected a function, and behind it its arguments." in await result_of(job_kit, 7)
    advice = "expected the function and its arguments, step(name, double, ...), not a call double(...)."
    assert advice in await result_of(job_kit, double(2))


async def test_a_step_that_takes_too_long_says_its_name(job_kit: JobKit) -> None:
    runner, began = JobRunner(":memory:"), threading.Event()

    async def hangs() -> None:
        began.set()
        await asyncio.Event().wait()

    @runner.job(max_attempts=1)
    async def handler(ctx: JobContext = injected) -> None:
        await ctx.step(Step("fetch", timeout="30s", max_attempts=1), hangs)

    async with job_kit(runner):
        handle = await runner.enqueue(handler)
        await job_kit.advance("30s")
        assert began.is_set()
        assert "TimeoutError: step 'fetch' took longer than 30s" in str((await handle.job()).error)


# What the data of an awaited event are.


class Replied(BaseModel):
    text: str


async def test_an_awaited_event_has_the_data_that_the_handler_says(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job
    async def handler(ctx: JobContext = injected) -> str:
        reply = await ctx.wait_for_event("answered", "user/replied", data=Replied)
        assert reply is not None
        return reply.data.text

    async with job_kit(runner):
        handle = await runner.enqueue(handler)
        await runner.send("user/replied", {"text": "yes"})
        await job_kit.run_to_end()
        assert await handle.result() == "yes"


async def test_data_that_do_not_fit_raise_in_the_handler_and_are_left_out(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job(max_attempts=1)
    async def handler(ctx: JobContext = injected) -> str:
        reply = await ctx.wait_for_event("answered", "user/replied", data=dict[str, int])
        return str(reply)

    async with job_kit(runner):
        handle = await runner.enqueue(handler)
        await runner.send("user/replied", {"text": "secret"})
        await job_kit.run_to_end()
        error = str((await handle.job()).error)
    assert "1 validation error for Event[dict[str, int]]" in error
    assert "data.text" in error
    assert "secret" not in error


async def test_what_is_no_type_of_data_is_refused(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job(max_attempts=1)
    async def handler(ctx: JobContext = injected) -> None:
        await ctx.wait_for_event("answered", "user/replied", data=7)  # type: ignore[arg-type]  # the mistake

    async with job_kit(runner):
        handle = await runner.enqueue(handler)
        await job_kit.run_to_end()
        assert "data=7: expected the type of the event's data, such as a model." in str((await handle.job()).error)
