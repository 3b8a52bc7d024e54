"""A handler in Python invokes functions of apps by their ids."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from pydantic import BaseModel

from aiojobs_lite import JobContext, JobDead, JobRunner, injected
from aiojobs_lite.inngest import reference_function
from aiojobs_lite.testing import JobKit
from tests.helpers.inngest import Script, operation, sdk
from tests.helpers.inngest_app import shop


class Receipt(BaseModel):
    order: int
    paid: bool


def receipt(body: Mapping[str, Any]) -> bytes:
    """Sleeps first, so that the parent waits over attempts; then says what the event said."""
    if not body["steps"]:
        return sdk(206, [operation("Sleep", "a", name="1h")])
    data = body["event"]["data"]
    return sdk(200, {"order": data["order"], "paid": body["event"]["name"] == "inngest/function.invoked"})


async def invoked(kit: JobKit, script: Script, *args: Any, batch: bool = False, **kwargs: Any) -> Any:
    """What a handler gets that invokes the function `shop-pay`, or how it died."""
    pay = reference_function("shop-pay", Receipt)

    def declare(runner: JobRunner) -> None:
        @runner.job(name="parent", max_attempts=1)
        async def parent(ctx: JobContext = injected) -> Any:
            try:
                return repr(await ctx.invoke("pay", pay, *args, **kwargs))
            except JobDead as error:
                return f"dead: {error.error}"

    async with shop(kit, script, before=declare) as made:
        more: dict[str, Any] = {"batchEvents": {"maxSize": 5, "timeout": "5s"}} if batch else {}
        await made.register(made.function(triggers=[], **more))
        handle = await made.runner.enqueue_named("parent")
        await kit.run_to_end()
        job = await handle.job()
        return job.result if job.status == "completed" else job.error


@pytest.mark.parametrize("batch", [False, True])
async def test_a_handler_gets_what_a_function_returned_in_the_type_that_it_gives(job_kit: JobKit, batch: bool) -> None:
    assert await invoked(job_kit, receipt, data={"order": 7}, batch=batch) == "Receipt(order=7, paid=True)"


async def test_what_the_event_says_may_be_a_model(job_kit: JobKit) -> None:
    assert await invoked(job_kit, receipt, Receipt(order=8, paid=False)) == "Receipt(order=8, paid=True)"


async def test_the_death_of_the_function_is_raised(job_kit: JobKit) -> None:
    answer = sdk(400, {"name": "Error", "message": "no money"}, x_inngest_no_retry="true")
    assert await invoked(job_kit, lambda _: answer) == "dead: Error: no money"


@pytest.mark.parametrize(
    ("args", "kwargs", "words"),
    [
        ((), {"order": 7}, "one object, as in ctx.invoke(name, reference, data={...})"),
        ((1, 2), {}, "one object, as in ctx.invoke(name, reference, data={...})"),
        ((7,), {}, "its data must be an object"),
    ],
)
async def test_what_the_event_says_is_one_object(
    job_kit: JobKit, args: tuple[Any, ...], kwargs: dict[str, Any], words: str
) -> None:
    assert words in await invoked(job_kit, receipt, *args, **kwargs)


async def test_a_job_type_that_is_no_function_is_not_invoked_so(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job
    async def own() -> None: ...

    @runner.job
    async def parent(ctx: JobContext = injected) -> None:
        await ctx.invoke("pay", reference_function("own"))

    async with job_kit(runner):
        handle = await runner.enqueue(parent)
        await job_kit.run_to_end()
        job = await handle.job()
    assert (job.status, job.attempts) == ("dead", 1)
    assert "the id of a function of an app; a job type is invoked by itself" in str(job.error)


async def test_an_app_that_is_not_registered_yet_is_waited_for_by_the_attempts_of_the_job(job_kit: JobKit) -> None:
    def declare(runner: JobRunner) -> None:
        @runner.job(name="parent")
        async def parent(ctx: JobContext = injected) -> Any:
            return await ctx.invoke("pay", reference_function("shop-pay"), data={"order": 7})

    async with shop(job_kit, receipt, before=declare) as made:
        handle = await made.runner.enqueue_named("parent")
        await made.runner.run_until_idle()
        assert "UnknownJobType" in str((await handle.job()).error)
        await made.register(made.function())
        await job_kit.run_to_end()
        assert (await handle.job()).result == {"order": 7, "paid": True}
