"""Middleware around the steps of durable handlers."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from aiojobs_lite import JobContext, JobRunner, Jobs, Status, injected
from aiojobs_lite.errors import StepFailed
from aiojobs_lite.runner.middleware import Middleware
from aiojobs_lite.steps import Step
from aiojobs_lite.testing import JobKit

Proceed = Callable[[], Awaitable[Any]]


class Noting(Middleware):
    """Notes each step that is called."""

    def __init__(self, name: str, notes: list[str]) -> None:
        self.name, self.notes = name, notes

    async def around_step(self, ctx: JobContext, name: str, proceed: Proceed) -> Any:
        self.notes.append(f"{self.name} before {name} of {ctx.type} attempt {ctx.attempt}")
        try:
            return await proceed()
        finally:
            self.notes.append(f"{self.name} after {name}")


class Doing(Middleware):
    """Does what the test says."""

    def __init__(self, does: Callable[[Proceed], Awaitable[Any]]) -> None:
        self.does = does

    async def around_step(self, ctx: JobContext, name: str, proceed: Proceed) -> Any:
        return await self.does(proceed)


async def run(job_kit: JobKit, does: Callable[[Proceed], Awaitable[Any]], function: Callable[[], Any]) -> Any:
    """What a step of one attempt comes to, as the handler sees it."""
    runner = JobRunner(":memory:", middleware=[Doing(does)])

    @runner.job
    async def handler(ctx: JobContext = injected) -> Any:
        try:
            return await ctx.step(Step("only", max_attempts=1, timeout="10s"), function)
        except StepFailed as error:
            return f"{error.error_type}: {error.message}"

    async with job_kit(runner):
        handle = await runner.enqueue(handler)
        await job_kit.run_to_end()
        return await handle.result()


async def test_it_is_around_each_call_and_not_around_what_is_stored(job_kit: JobKit) -> None:
    notes, calls = list[str](), list[str]()
    group = Jobs(middleware=[Noting("group", notes)])

    def fails_once() -> None:
        calls.append("second")
        if calls.count("second") == 1:
            raise ConnectionError

    @group.job(name="report")
    async def report(ctx: JobContext = injected) -> None:
        await ctx.step("first", calls.append, "first")
        await ctx.step("second", fails_once)

    runner = JobRunner(":memory:", jobs=[group], middleware=[Noting("runner", notes)])
    async with job_kit(runner):
        handle = await runner.enqueue(report)
        await job_kit.run_to_end()
        assert (await handle.job()).status is Status.COMPLETED
    around = [
        f"{line}" for name in ("first", "second", "second")
        for line in (
            f"runner before {name} of report attempt 1", f"group before {name} of report attempt 1",
            f"group after {name}", f"runner after {name}",
        )
    ]  # fmt: skip
    assert (notes, calls) == (around, ["first", "second", "second"])


async def returns() -> str:
    return "fetched"


def from_a_thread() -> str:
    return "main" if threading.current_thread() is threading.main_thread() else "thread"


async def fails() -> str:
    raise LookupError("no such user")


async def proceeds(proceed: Proceed) -> Any:
    return await proceed()


async def changes(proceed: Proceed) -> Any:
    return f"changed {await proceed()}"


async def does_not(_proceed: Proceed) -> str:
    return "not called"


async def refuses(_proceed: Proceed) -> str:
    raise PermissionError("not now")


async def catches(proceed: Proceed) -> str:
    try:
        await proceed()
    except LookupError as error:
        return f"caught {error}"
    return "nothing"


async def twice(proceed: Proceed) -> Any:
    await proceed()
    return await proceed()


@pytest.mark.parametrize(
    ("does", "function", "result"),
    [
        (proceeds, returns, "fetched"),
        (proceeds, from_a_thread, "thread"),
        (proceeds, fails, "LookupError: no such user"),
        (changes, returns, "changed fetched"),
        (does_not, fails, "not called"),
        (refuses, returns, "PermissionError: not now"),
        (catches, fails, "caught no such user"),
    ],
)
async def test_what_it_returns_or_raises_is_what_the_step_does(
    job_kit: JobKit, does: Callable[[Proceed], Awaitable[Any]], function: Callable[[], Any], result: str
) -> None:
    assert await run(job_kit, does, function) == result


async def test_to_proceed_twice_is_an_error_of_the_step(job_kit: JobKit) -> None:
    assert "awaited `proceed()` twice" in await run(job_kit, twice, returns)


async def test_the_timeout_counts_it_too(job_kit: JobKit) -> None:
    async def hangs(_proceed: Proceed) -> None:
        await asyncio.Event().wait()

    assert await run(job_kit, hangs, returns) == "TimeoutError: step 'only' took longer than 10s"


async def test_a_step_replaced_in_a_test_has_it_too(job_kit: JobKit) -> None:
    notes = list[str]()
    runner = JobRunner(":memory:", middleware=[Noting("runner", notes)])

    @runner.job(name="mail")
    async def mail(ctx: JobContext = injected) -> Any:
        return await ctx.step("fetch", returns)

    job_kit.replace_step("fetch", "replaced")
    async with job_kit(runner):
        handle = await runner.enqueue(mail)
        await job_kit.run_to_end()
        assert await handle.result() == "replaced"
    assert notes == ["runner before fetch of mail attempt 1", "runner after fetch"]
