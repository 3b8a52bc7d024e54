"""What a durable handler enqueues and sends outside of its operations, each attempt does again: that is published."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite import JobContext, JobRunner, JobType, injected
from aiojobs_lite.telemetry.facts import RepeatedOutsideSteps
from aiojobs_lite.testing import JobKit
from tests.helpers.waiting import PATIENCE

Act = Callable[[JobRunner, JobContext, JobType[..., Any]], Awaitable[object]]
ENQUEUE = ("ctx.enqueue", "ctx.enqueue_once(name, job_type, ...)")
SEND = ("runner.send", "ctx.send(name, event, data)")
REPEATED: list[tuple[Act, tuple[str, str]]] = [
    (lambda _, ctx, other: ctx.enqueue(other), ENQUEUE),
    (lambda _, ctx, other: ctx.enqueue_named(other.name), ENQUEUE),
    (lambda _, ctx, other: ctx.enqueue_many([other.bind()]), ENQUEUE),
    (lambda runner, *_: runner.send("user/new"), SEND),
]
ONCE: list[Act] = [
    lambda _, ctx, other: ctx.enqueue_once("other", other),
    lambda _, ctx, other: ctx.send("tell", "user/new"),
    lambda _, ctx, other: ctx.step("other", done, lambda: ctx.enqueue(other)),
    lambda runner, ctx, _: ctx.step("tell", done, lambda: runner.send("user/new")),
]


async def fetch() -> int:
    return 1


async def done(call: Callable[[], Awaitable[object]]) -> None:
    await call()


async def facts_of(job_kit: JobKit, act: Act, *, is_durable: bool = True) -> list[RepeatedOutsideSteps]:
    """What is published while two jobs do this, each in two attempts if it is durable."""
    runner = JobRunner(":memory:")

    @runner.job
    async def other() -> None: ...

    @runner.job
    async def handler(ctx: JobContext = injected) -> None:
        if is_durable:
            await ctx.step("fetch", fetch)
        await act(runner, ctx, other)
        if is_durable:
            await ctx.sleep("nap", "1h")

    async with job_kit(runner):
        facts = runner.watch()
        for handle in await runner.enqueue_many([handler.bind()] * 2):
            await job_kit.run_to_end()
            await handle.result()
        return [fact for fact in facts.take() if isinstance(fact, RepeatedOutsideSteps)]


@pytest.mark.parametrize(("act", "said"), REPEATED)
async def test_what_each_attempt_repeats_is_published_once_a_type(
    job_kit: JobKit, act: Act, said: tuple[str, str]
) -> None:
    (fact,) = await facts_of(job_kit, act)
    assert (fact.type, fact.call, fact.instead) == ("handler", *said)
    line = f"repeated: handler job {fact.job_id} calls {said[0]} outside of a step, in each attempt again; write "
    assert str(fact) == f"{line}{said[1]}"


@pytest.mark.parametrize("act", ONCE)
async def test_what_an_operation_or_a_step_does_is_not(job_kit: JobKit, act: Act) -> None:
    assert await facts_of(job_kit, act) == []


@pytest.mark.parametrize("act", [act for act, _ in REPEATED])
async def test_nor_is_what_a_handler_without_operations_does(job_kit: JobKit, act: Act) -> None:
    assert await facts_of(job_kit, act, is_durable=False) == []


async def test_an_event_of_another_database_is_not_that_of_its_job(job_kit: JobKit) -> None:
    runner, other = JobRunner(":memory:"), JobRunner(":memory:")

    @runner.job
    async def sends() -> None:
        await other.send("user/new")

    @other.job
    async def waits(ctx: JobContext = injected) -> None:
        await ctx.step("fetch", fetch)
        await (await runner.enqueue(sends)).result()

    async with job_kit(runner), other:
        facts = other.watch()
        await (await other.enqueue(waits)).result()
        assert not [fact for fact in facts.take() if isinstance(fact, RepeatedOutsideSteps)]


async def test_nor_is_an_enqueue_in_a_transaction_of_the_handlers_own(database: Path) -> None:
    """Each attempt begins that transaction anew, with all that is in it."""
    runner = JobRunner(database)

    @runner.job
    async def other() -> None: ...

    @runner.job
    async def handler(ctx: JobContext = injected) -> None:
        await ctx.step("fetch", fetch)
        with closing(sqlite3.connect(database)) as connection, connection:
            await ctx.enqueue_in(connection, other)
            await ctx.enqueue_many_in(connection, [other.bind()])

    async with runner:
        facts = runner.watch()
        await (await runner.enqueue(handler)).result(PATIENCE)
        assert [fact for fact in facts.take() if isinstance(fact, RepeatedOutsideSteps)] == []
