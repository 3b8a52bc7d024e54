"""Signals: one step at a time waits for a name."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest

from aiojobs_lite.testing import JobKit
from tests.helpers.inngest import Script, operation, sdk
from tests.helpers.inngest_app import Shop, shop


def waits(conflict: str = "fail", timeout: str = "1h") -> Script:
    """Waits for the signal that the event names, and returns what it got."""

    def script(body: Mapping[str, Any]) -> bytes:
        if body["steps"]:
            return sdk(200, list(body["steps"].values()))
        opts = {"signal": body["event"]["data"]["signal"], "timeout": timeout, "conflict": conflict}
        return sdk(206, [operation("WaitForSignal", "a", opts=opts)])

    return script


async def begun(made: Shop, *signals: str) -> None:
    """Starts a run for each signal, one after the other."""
    await made.register(made.function(retries=0))
    for signal in signals:
        await made.send(signal=signal)
        await made.runner.run_until_idle()


async def send(made: Shop, signal: str, data: Any = None) -> int:
    return (await made.client.post("/v1/signals", json={"signal": signal, "data": data})).status_code


async def ends(made: Shop) -> list[Any]:
    """What became of the runs, in the order of their starts: the result, the error, or the status."""
    jobs = await made.runner.jobs.list(type="shop-pay")
    return [job.result or job.error or str(job.status) for job in reversed(jobs)]


async def test_a_second_run_that_waits_for_a_signal_fails(job_kit: JobKit) -> None:
    async with shop(job_kit, waits()) as made:
        await begun(made, "go", "go", "other")
        first, second, third = await ends(made)
        assert (first, third) == ("pending", "pending")
        assert "Signal conflict; signal wait already exists for another run: 'go'. " in second
        assert await send(made, "go", {"n": 1.0}) == 200
        await made.runner.run_until_idle()
        assert (await ends(made))[0] == [{"data": {"signal": "go", "data": {"n": 1.0}}}]


async def test_a_run_that_replaces_another_one_gets_the_signal(job_kit: JobKit) -> None:
    """The other one waits until its time is over."""
    async with shop(job_kit, waits("replace")) as made:
        await begun(made, "go", "go")
        assert await send(made, "go") == 200
        await made.runner.run_until_idle()
        assert await ends(made) == ["pending", [{"data": {"signal": "go", "data": None}}]]
        assert await send(made, "go") == 404
        await job_kit.run_to_end()
        assert (await ends(made))[0] == [None]


async def test_a_signal_that_has_come_may_be_waited_for_again(job_kit: JobKit) -> None:
    async with shop(job_kit, waits()) as made:
        for _ in range(2):
            await begun(made, "go")
            assert [await send(made, "go"), await send(made, "go")] == [200, 404]
            await made.runner.run_until_idle()
        assert await ends(made) == [[{"data": {"signal": "go", "data": None}}]] * 2


async def test_a_wait_whose_time_is_over_keeps_no_other_away(job_kit: JobKit) -> None:
    async with shop(job_kit, waits(timeout="10s")) as made:
        await begun(made, "go")
        job_kit.clock.advance(11)
        await begun(made, "go")
        assert await ends(made) == [[None], "pending"]
        assert await send(made, "go") == 200


async def test_a_run_that_has_ended_keeps_no_other_away(job_kit: JobKit) -> None:
    async with shop(job_kit, waits()) as made:
        await begun(made, "go")
        await made.runner.jobs.cancel((await made.job()).id)
        assert await send(made, "go") == 404
        await begun(made, "go")
        assert await ends(made) == ["cancelled", "pending"]


async def test_of_runs_that_ask_at_once_one_waits(job_kit: JobKit) -> None:
    async with shop(job_kit, waits()) as made:
        await made.register(made.function(retries=0))
        await asyncio.gather(*[made.send(signal="go") for _ in range(5)])
        await made.runner.run_until_idle()
        found = await ends(made)
        assert (found.count("pending"), sum("Signal conflict" in one for one in found)) == (1, 4)


@pytest.mark.parametrize("signal", ["ä" * 512, "a b/c"])
async def test_a_name_may_be_long(job_kit: JobKit, signal: str) -> None:
    async with shop(job_kit, waits()) as made:
        await begun(made, signal)
        assert await send(made, signal) == 200
