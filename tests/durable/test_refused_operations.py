"""Events that a handler cannot send: nothing is stored, and the next operation of the name has the name."""

from __future__ import annotations

from typing import Any

import pytest

from aiojobs_lite import AiojobsError, InvalidOption, JobContext, JobRunner, injected
from aiojobs_lite.errors import InvalidEvent
from aiojobs_lite.events import Event
from aiojobs_lite.testing import JobKit

REFUSED: list[tuple[str, Any, type[AiojobsError]]] = [
    ("user/new", {"n": {1}}, InvalidEvent),
    ("user/*", {"n": 1}, InvalidOption),
    ("job.dead", {"n": 1}, InvalidOption),
]


@pytest.mark.parametrize(("event", "data", "error"), REFUSED)
@pytest.mark.parametrize("is_fixed", [False, True])
async def test_an_event_that_cannot_be_one_takes_no_name_in_any_attempt(
    job_kit: JobKit, event: str, data: Any, error: type[AiojobsError], is_fixed: bool
) -> None:
    """With a name of its own it was sent once more by a fixed version."""
    runner, is_broken, attempts = JobRunner(":memory:"), [True], list[str]()

    @runner.job
    async def handler(ctx: JobContext = injected) -> None:
        if is_broken[-1]:
            with pytest.raises(error):
                await ctx.send("tell", event, data)
            attempts.append("refused")
        await ctx.send("tell", "user/new", {"n": 1})
        await ctx.sleep("nap", "1h")

    async with job_kit(runner):
        handle = await runner.enqueue(handler)
        await job_kit.advance("1m")
        is_broken.append(not is_fixed)
        await job_kit.run_to_end()
        await handle.result()
        assert [step.name for step in await runner.jobs.steps(handle.id)] == ["tell", "nap"]
        assert len(await runner.events.list()) == 1
    assert len(attempts) == (1 if is_fixed else 2)


async def test_an_event_that_a_listener_refuses_for_a_time_is_sent_once(job_kit: JobKit) -> None:
    """With another name it was sent once more by the attempt that follows: then the first name is not refused."""
    runner, asked = JobRunner(":memory:"), list[int]()

    def wanted(event: Event[Any]) -> bool:
        asked.append(event.data["n"])
        if len(asked) == 1:
            raise ConnectionError("no rules")
        return False

    @runner.on("user/new", when=wanted)
    async def listener(event: Event[Any]) -> None: ...

    @runner.job
    async def handler(ctx: JobContext = injected) -> None:
        try:
            await ctx.send("tell", "user/new", {"n": 1})
        except InvalidEvent:
            await ctx.send("tell", "user/new", {"n": 1})
        await ctx.sleep("nap", "1h")

    async with job_kit(runner):
        handle = await runner.enqueue(handler)
        await job_kit.run_to_end()
        await handle.result()
        assert [step.name for step in await runner.jobs.steps(handle.id)] == ["tell", "nap"]
        assert len(await runner.events.list()) == 1
    assert asked == [1, 1]
