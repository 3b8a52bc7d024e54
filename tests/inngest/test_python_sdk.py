"""Functions of the Python SDK, unchanged, behind a real server: the driver runs them."""

from __future__ import annotations

import logging
import warnings
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import inngest
import pytest
from fastapi import FastAPI

from aiojobs_lite import Job, Status
from aiojobs_lite.http.session import open_session
from aiojobs_lite.inngest.keys import AppKeys
from aiojobs_lite.testing import JobKit
from tests.helpers.asgi_server import served
from tests.helpers.inngest import SIGNING_KEY, Rig
from tests.helpers.rings import slow

with warnings.catch_warnings():
    warnings.simplefilter("ignore", DeprecationWarning)  # of pydantic
    import inngest.fast_api

pytestmark = slow

Handler = Callable[[inngest.Context], Coroutine[Any, Any, Any]]
HOUR = timedelta(hours=1)


@asynccontextmanager
async def rig_of(job_kit: JobKit, handler: Handler, *, is_cloud: bool = False, **options: Any) -> AsyncIterator[Rig]:
    """A runner whose function is one of the SDK."""
    client = inngest.Inngest(
        app_id="shop", is_production=is_cloud, signing_key=SIGNING_KEY if is_cloud else None,
        logger=logging.getLogger("inngest.test"),
    )  # fmt: skip
    trigger = inngest.TriggerEvent(event="shop/ordered")
    function = client.create_function(fn_id="mail", trigger=trigger, retries=2)(handler)
    app = FastAPI()
    inngest.fast_api.serve(app, client, [function], **options)
    signed: dict[str, Any] = {"mode": "cloud", "keys": AppKeys(SIGNING_KEY), "verifies": True} if is_cloud else {}
    async with served(app) as url, open_session(allow_private=True, resolver=None, ssl_context=None) as session:
        rig = Rig(job_kit, session, f"{url}/api/inngest?fnId=shop-mail&stepId=step", **signed)
        async with job_kit(rig.runner):
            yield rig


async def ran(job_kit: JobKit, handler: Handler, **options: Any) -> Job:
    """A run of a function of the SDK, which has ended."""
    async with rig_of(job_kit, handler, **options) as rig:
        (handle,) = (await rig.runner.send("shop/ordered", {"id": 7, "sum": 1.5}, id="e1")).handles
        await job_kit.run_to_end()
        return await handle.job()


async def steps(ctx: inngest.Context) -> Any:
    async def first() -> dict[str, Any]:
        return {"id": ctx.event.data["id"], "large": 2**70}

    found = await ctx.step.run("first", first)
    await ctx.step.sleep("nap", HOUR)
    again = [await ctx.step.run("twice", lambda: _number(ctx.attempt)) for _ in range(2)]
    return {"first": found, "again": again, "event": ctx.event.id, "run": ctx.run_id}


async def _number(number: int) -> int:
    return number


@pytest.mark.parametrize(
    "options", [{}, {"streaming": inngest.Streaming.FORCE}, {"is_cloud": True}], ids=["plain", "streamed", "signed"]
)
async def test_steps_run_once_each_and_their_results_arrive(job_kit: JobKit, options: Any) -> None:
    job = await ran(job_kit, steps, **options)
    assert (job.status, job.attempts) == (Status.COMPLETED, 1)
    assert job.result["first"] == {"id": 7, "large": 2**70}
    assert (job.result["again"], job.result["event"], len(job.result["run"])) == ([0, 0], "e1", 26)


async def test_steps_side_by_side_run_once_each(job_kit: JobKit) -> None:
    called: list[str] = []

    async def work(name: str) -> str:
        called.append(name)
        return name

    async def function(ctx: inngest.Context) -> Any:
        found = await ctx.group.parallel(
            (
                lambda: ctx.step.run("a", work, "a"),
                lambda: ctx.step.run("b", work, "b"),
                lambda: ctx.step.sleep("c", HOUR),
            )
        )
        return [*found, await ctx.step.run("d", work, "d")]

    job = await ran(job_kit, function)
    assert job.result == ["a", "b", None, "d"]
    assert (sorted(called), called[-1]) == (["a", "b", "d"], "d")


async def test_a_step_that_fails_is_tried_again_and_the_function_catches_what_failed_for_good(job_kit: JobKit) -> None:
    called: list[int] = []

    async def fail() -> None:
        called.append(1)
        raise ValueError("no")

    async def function(ctx: inngest.Context) -> Any:
        try:
            await ctx.step.run("a", fail)
        except inngest.StepError as error:
            return f"{error.name}: {error.message}"

    job = await ran(job_kit, function)
    assert (job.result, len(called)) == ("ValueError: no", 3)


async def test_a_function_that_fails_is_tried_again_when_it_says_so_or_not_at_all(job_kit: JobKit) -> None:
    async def later(ctx: inngest.Context) -> Any:
        if ctx.attempt == 0:
            raise inngest.RetryAfterError("wait", HOUR)
        return "done"

    async def never(ctx: inngest.Context) -> Any:
        raise inngest.NonRetriableError("broken")

    async with rig_of(job_kit, later) as rig:
        (handle,) = (await rig.runner.send("shop/ordered", {})).handles
        await job_kit.advance(1)
        job = await handle.job()
        assert (job.status, job.history[0].error_type) == (Status.PENDING, "RetryAfterError")
        await job_kit.run_to_end()
        assert await handle.result() == "done"
    job = await ran(job_kit, never)
    assert (job.status, job.attempts, job.error) == (Status.DEAD, 1, "NonRetriableError: broken")


async def test_a_function_waits_for_an_event(job_kit: JobKit) -> None:
    async def function(ctx: inngest.Context) -> Any:
        expression = "event.data.id == async.data.id"
        found = await ctx.step.wait_for_event("paid", event="shop/paid", if_exp=expression, timeout=HOUR)
        late = await ctx.step.wait_for_event("lost", event="shop/lost", timeout=HOUR)
        return [found and found.data, late]

    async with rig_of(job_kit, function) as rig:
        (handle,) = (await rig.runner.send("shop/ordered", {"id": 7})).handles
        await job_kit.advance(1)
        await rig.runner.send("shop/paid", {"id": 8})
        await rig.runner.send("shop/paid", {"id": 7, "sum": 1.5})
        await job_kit.run_to_end()
        assert await handle.result() == [{"id": 7, "sum": 1.5}, None]


async def test_an_app_with_another_key_refuses_each_call(job_kit: JobKit) -> None:
    async with rig_of(job_kit, steps, is_cloud=True) as rig:
        rig.sign_by(AppKeys("signkey-test-87654321"))
        (handle,) = (await rig.runner.send("shop/ordered", {})).handles
        await job_kit.run_to_end()
        job = await handle.job()
    assert (job.status, len(job.history)) == (Status.DEAD, 3)
    assert "Unauthorized" in str(job.error)
