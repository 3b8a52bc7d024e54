"""A context that a test makes: sensible by itself, and whatever the test says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from aiojobs_lite import InvalidOption, JobContext, JobRunner, injected, job
from aiojobs_lite.errors import MissingDependency
from aiojobs_lite.testing import JobKit, context

TICK = datetime(2026, 3, 1, 9, tzinfo=UTC)


@job(name="email.welcome", max_attempts=3)
async def welcome(user_id: int, ctx: JobContext = injected) -> str:
    return f"{ctx.type} {user_id} {ctx.attempt}/{ctx.max_attempts} {ctx.label} {ctx.is_last_attempt}"


async def test_a_handler_is_called_with_it() -> None:
    assert await welcome(7, context()) == "test 7 1/5 None False"
    assert await welcome(7, context(welcome, attempt=3, label="eu")) == "email.welcome 7 3/3 eu True"


def test_it_has_what_a_context_has() -> None:
    ctx = context()
    assert (ctx.id, ctx.attempt, ctx.max_attempts, ctx.tick, ctx.stopping) == (1, 1, 5, None, False)
    assert ctx.scheduled_at == ctx.created_at == datetime(2026, 1, 1, tzinfo=UTC)
    assert context(attempt=9).max_attempts == 9
    ctx = context(id=4, tick=TICK, created_at=TICK - timedelta(hours=1), stopping=True, deps={int: 5})
    assert (ctx.id, ctx.tick, ctx.scheduled_at, ctx.stopping, ctx.get(int)) == (4, TICK, TICK, True, 5)
    assert ctx.created_at == TICK - timedelta(hours=1)


def test_it_has_the_metadata_and_the_key_that_the_test_gives() -> None:
    ctx = context(metadata={"request_id": "r-17"}, key="a1b2-7")
    assert (ctx.metadata, ctx.key, ctx.id) == ({"request_id": "r-17"}, "a1b2-7", 7)
    ctx = context(key="charge-of-june-7", id=7, metadata={})
    assert (ctx.metadata, ctx.key, ctx.id) == ({}, "charge-of-june-7", 7)
    assert (context().key, context(id=8).key) == ("test-1", "test-8")


def test_what_cannot_be_is_refused() -> None:
    keys: list[dict[str, Any]] = [
        {"key": key} for key in ("", "7", "a1b2", "a1b2-", "a1b2-x", "a1b2-0", "a1b2-07", "-7", 7)
    ]
    for wrong in (*keys, {"key": "a1b2-7", "id": 8}, {"metadata": {1: 2}}, {"metadata": {"a": object()}}):
        with pytest.raises(InvalidOption, match=rf"^{next(iter(wrong))}="):
            context(**wrong)
    with pytest.raises(
        InvalidOption, match=r"^key='a1b2-7': expected text that ends with the job's id, such as 'a1b2-8'\.$"
    ):
        context(key="a1b2-7", id=8)
    for wrong in ({"id": 0}, {"attempt": 0}, {"max_attempts": 0}, {"tick": datetime(2026, 1, 1)}, {"deps": 1}):  # noqa: DTZ001  # naive
        with pytest.raises(InvalidOption):
            context(**wrong)  # the mistakes
    with pytest.raises(InvalidOption, match="a job type"):
        context(len)  # type: ignore[arg-type]  # the mistake


async def test_a_handler_that_is_called_with_it_enqueues_a_further_job(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:", jobs=[welcome])
    async with job_kit(runner, run=False):
        await context(runner=runner).enqueue(welcome, user_id=8)
    assert job_kit.assert_enqueued(welcome, user_id=8).id == 1


async def test_what_a_handler_reports_can_be_looked_at() -> None:
    ctx = context()
    await ctx.progress(0.4, "rendering")
    ctx.progress(1)
    ctx.log("page 1")
    assert ctx.reported == [(0.4, "rendering"), (1.0, None)]
    assert ctx.logged == ["page 1"]
    assert isinstance(ctx, JobContext)
    assert context().logged == []


def test_a_resource_that_it_lacks_is_asked_of_the_test() -> None:
    with pytest.raises(MissingDependency, match=r"which deps= lacks\. Pass testing\.context\(deps={int: \.\.\.}\)\.$"):
        context().get(int)
