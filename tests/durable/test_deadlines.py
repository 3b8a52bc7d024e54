"""Runs that are driven by calls, and are cancelled if they are not over in time."""

from __future__ import annotations

import asyncio

import pytest

from aiojobs_lite import Backoff, Status
from aiojobs_lite.durable.driver import Answer
from aiojobs_lite.durable.limits import RunLimits
from aiojobs_lite.durable.operations import Operation, Sleep, StepPlanned, WaitForEvent
from aiojobs_lite.model.event_match import EventMatch
from aiojobs_lite.policy.verdict import Wish
from aiojobs_lite.testing import JobKit
from tests.helpers.remote import HOUR, Asked, Rig, failed, raised, ran, returned
from tests.helpers.waiting import until

LIMITS = RunLimits(seconds=HOUR)
LATE = "it was not over 1h after it had begun"


@pytest.mark.parametrize("what", ["sleep", "event", "step", "planned", "attempt", "snooze"])
async def test_a_run_is_cancelled_while_it_waits_for_whatever(job_kit: JobKit, what: str) -> None:
    rig: Rig

    def script(asked: Asked) -> Answer:
        if asked.target is not None:
            return [raised(asked.target, Wish.RETRY, delay=5 * HOUR)]
        answers: dict[str, list[Operation] | Answer] = {
            "sleep": [Sleep("nap", rig.at(5 * HOUR))],
            "event": [WaitForEvent("reply", EventMatch("e"))],
            "step": [raised("a", Wish.RETRY, delay=5 * HOUR)],
            "planned": [StepPlanned("a"), StepPlanned("b")],
            "attempt": failed(),
            "snooze": failed(Wish.SNOOZE, 5 * HOUR),
        }
        return answers[what]

    rig = Rig(job_kit, script, limits=LIMITS, backoff=Backoff(base="5h", cap="5h"))
    async with job_kit(rig.runner):
        handle = await rig.runner.enqueue(rig.flow)
        await job_kit.advance("59m")
        assert (await handle.job()).status is Status.PENDING
        await job_kit.advance("1m")
        job = await handle.job()
    assert (job.status, job.reason) == (Status.CANCELLED, LATE)
    assert rig.remote.calls == (["? 0", "a 0", "b 0"] if what == "planned" else ["? 0"])


async def test_a_run_is_cancelled_while_it_is_called(job_kit: JobKit) -> None:
    cancelled = []

    async def script(asked: Asked) -> Answer:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(asked.attempt)
            raise
        return []

    rig = Rig(job_kit, script, limits=LIMITS)
    async with job_kit(rig.runner):
        handle = await rig.runner.enqueue(rig.flow)
        await until(lambda: rig.remote.calls == ["? 0"])
        await job_kit.advance("1h")
        job = await handle.job()
    assert (job.status, job.reason, cancelled) == (Status.CANCELLED, LATE, [0])


async def test_the_time_counts_from_the_first_attempt_over_crashes_and_suspensions(job_kit: JobKit) -> None:
    rig: Rig

    def script(asked: Asked) -> Answer:
        return [Sleep(f"nap {len(asked.memos)}", rig.at(HOUR / 3 + 1))]

    rig = Rig(job_kit, script, limits=LIMITS)
    async with job_kit(rig.runner):
        handle = await rig.runner.enqueue(rig.flow.using(delay="2h"))
        await job_kit.advance("2h")
        await job_kit.advance("20m")
        await job_kit.crash()
    async with job_kit(rig.runner):
        await job_kit.advance("39m")
        assert (await rig.runner.jobs.get(handle.id)).status is Status.PENDING
        await job_kit.advance("1m")
        job = await rig.runner.jobs.get(handle.id)
        assert (job.status, job.reason) == (Status.CANCELLED, LATE)
        assert [list(asked.memos) for asked in rig.remote.asked] == [[], ["nap 0"], ["nap 0", "nap 1"]]
        await job_kit.advance("1h")
        await rig.runner.jobs.redrive(handle.id)  # it has its time anew
        await job_kit.advance("59m")
        assert (await rig.runner.jobs.get(handle.id)).status is Status.PENDING
        await job_kit.advance("1m")
        assert (await rig.runner.jobs.get(handle.id)).status is Status.CANCELLED


async def test_a_run_that_is_over_in_time_is_not_touched(job_kit: JobKit) -> None:
    rig: Rig

    def script(asked: Asked) -> Answer:
        if asked.target is not None:
            return [ran(asked.target)]
        return returned(asked) if asked.memos else [StepPlanned("a"), Sleep("nap", rig.at(HOUR - 1))]

    rig = Rig(job_kit, script, limits=LIMITS)
    async with job_kit(rig.runner):
        handle = await rig.runner.enqueue(rig.flow)
        await job_kit.run_to_end()
        await job_kit.advance("5h")
        job = await handle.job()
    assert (job.status, job.result_json) == (Status.COMPLETED, '{"a": {"data":1}, "nap": null}')
    assert [asked.waiting for asked in rig.remote.asked][::2] == [(), ()]
    assert rig.remote.calls == ["? 0", "a 0", "? 0"]


async def test_a_run_that_fails_within_its_time_is_tried_again_as_any(job_kit: JobKit) -> None:
    rig = Rig(job_kit, lambda _: failed(), limits=LIMITS)
    job = await rig.to_end()
    assert (job.status, job.reason) == (Status.DEAD, "all 3 attempts used up")
    assert rig.remote.calls == ["? 0", "? 1", "? 2"]
