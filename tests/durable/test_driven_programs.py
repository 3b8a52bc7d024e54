"""Programs drawn by a number, run by an SDK that keeps nothing: each ends, and no stored step is called again."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from aiojobs_lite import Backoff, Job, JobRunner, Status
from aiojobs_lite.durable.operations import RunReturned, StepRan
from aiojobs_lite.model.steps import StepRow
from aiojobs_lite.runner.checkpoints import save_checkpoint
from aiojobs_lite.testing import JobKit
from tests.helpers.remote import Asked, Rig
from tests.helpers.rings import depth
from tests.helpers.sdk import MOST_ATTEMPTS, Sdk, draw

numbers = st.integers(min_value=0, max_value=2**32)


async def run_program(number: int, *, has_crashes: bool = False) -> tuple[Sdk, Rig, Job]:
    """Runs a program to its end."""
    random, crashes = Random(number), list[int]()  # no secret
    with JobKit() as kit:
        sdk = Sdk(draw(random), random, is_first_version=random.random() < 0.3)
        rig = Rig(kit, sdk, max_attempts=MOST_ATTEMPTS, backoff=Backoff(base="10s"))
        sdk.instant = rig.at
        if random.random() < 0.5:
            sdk.save = lambda asked, steps, end: checkpoint(rig.runner, asked, steps, end)

        async def crash() -> None:
            if not crashes:  # beside another call of the run
                crashes.append(1)
                await kit.crash()

        sdk.crash = crash if has_crashes else None
        async with kit(rig.runner):
            handle = await rig.runner.enqueue(rig.flow)
            await kit.run_to_end()
            if not crashes:
                return sdk, rig, await handle.job()
        while crashes:
            crashes.clear()
            async with kit(rig.runner):
                await kit.run_to_end()
                if not crashes:
                    return sdk, rig, await rig.runner.jobs.get(handle.id)
    raise AssertionError


async def checkpoint(
    runner: JobRunner, asked: Asked, steps: Sequence[StepRan], end: RunReturned | None
) -> tuple[StepRow, ...] | None:
    """Stores steps while a call goes on."""
    return await save_checkpoint(runner.durables, asked.fence, steps, end)


def check_attempts(rig: Rig) -> None:
    """Each planned step, and the code between two ends of operations, counts its calls from 0."""
    counts: dict[str, int] = {}
    for asked in rig.remote.asked:
        if asked.target is not None:
            assert asked.attempt == counts.get(asked.target, 0)
            counts[asked.target] = asked.attempt + 1


@settings(max_examples=depth(12, 150), deadline=None)
@given(number=numbers)
def test_a_program_ends_with_what_it_returns_and_calls_no_step_again_that_is_stored(number: int) -> None:
    sdk, rig, job = asyncio.run(run_program(number))
    assert sdk.faults == []
    assert len(sdk.ran) == len(set(sdk.ran))
    check_attempts(rig)
    if job.status is Status.DEAD:
        assert (job.error or "").startswith(("AppError", "Error"))
        assert max(asked.attempt for asked in rig.remote.asked) == MOST_ATTEMPTS - 1


@settings(max_examples=depth(6, 60), deadline=None)
@given(number=numbers)
def test_a_program_ends_however_often_its_process_is_killed(number: int) -> None:
    sdk, _, job = asyncio.run(run_program(number, has_crashes=True))
    assert sdk.faults == []
    assert job.status is Status.COMPLETED or job.error is not None or job.reason is not None
