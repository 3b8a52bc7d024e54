"""How much a run may store that a driver runs by calls."""

from __future__ import annotations

from typing import Any

import pytest

from aiojobs_lite import Status
from aiojobs_lite.durable.driver import Answer
from aiojobs_lite.durable.limits import RunLimits, RunSize
from aiojobs_lite.durable.memos import MOST_STEPS
from aiojobs_lite.durable.operations import Recorded, RunReturned, StepPlanned, StepRan
from aiojobs_lite.errors import RunTooLarge, TooManySteps
from aiojobs_lite.model.steps import StepKind, StepRow, StepState
from aiojobs_lite.sizes import LARGEST_DRIVEN_RESULT_BYTES, LARGEST_DRIVEN_STATE_BYTES
from aiojobs_lite.testing import JobKit
from tests.helpers.remote import Asked, Rig, next_of, raised


def stored(name: str, memo: str | None) -> StepRow:
    """An operation as it is stored."""
    state = StepState.DONE if memo else StepState.WAITING
    return StepRow(name, StepKind.RUN, state, memo, None, 1, None, 5, 9 if memo else None, 1 if memo else None)


def of(*new: Recorded) -> dict[str, Recorded]:
    return {operation.name: operation for operation in new}


def test_bytes_are_counted_of_all_and_notes_are_no_operations() -> None:
    size = RunSize(7, RunLimits(result=10, state=20, steps=2))
    rows = [stored("a", '"éé"'), stored("~n", "12345678"), stored("b", None)]  # 6 and 8 bytes
    size.check(rows, of(StepRan("b", "123456")))
    size.check(rows, of(StepRan("~m", "1"), StepRan("b", "12345")))
    with pytest.raises(RunTooLarge, match=r"what all of its operations gave in the run of job 7 would be 21 bytes"):
        size.check(rows, of(StepRan("b", "1234567")))
    with pytest.raises(RunTooLarge, match="what 'b' gave"):
        size.check([], of(StepRan("b", "12345678901")))
    with pytest.raises(TooManySteps):
        size.check(rows, of(StepPlanned("c")))
    with pytest.raises(RunTooLarge):
        size.check([], of(raised("e")))
    size.check([], of(StepRan("b", "é" * 5)))


async def test_a_run_may_have_large_results_and_not_larger_ones(job_kit: JobKit) -> None:
    memo = f'"{"x" * (LARGEST_DRIVEN_RESULT_BYTES - 2)}"'
    rig = Rig(job_kit, next_of([StepRan("a", memo)], RunReturned("1")))
    assert (await rig.to_end()).status is Status.COMPLETED
    rig = Rig(job_kit, next_of([StepRan("a", memo + " ")]), max_attempts=5)
    job = await rig.to_end()
    assert (job.status, job.reason) == (Status.DEAD, "RunTooLarge is not to be tried again")
    assert rig.remote.calls == ["? 0"]


async def test_what_a_run_returns_may_be_as_large(job_kit: JobKit) -> None:
    result = f'"{"x" * (LARGEST_DRIVEN_RESULT_BYTES - 2)}"'
    options: dict[str, Any] = {"largest_result": LARGEST_DRIVEN_RESULT_BYTES}
    job = await Rig(job_kit, next_of(RunReturned(result)), **options).to_end()
    assert job.result_json == result
    job = await Rig(job_kit, next_of(RunReturned(result + " ")), **options).to_end()
    assert (job.status, str(job.error).partition(":")[0]) == (Status.DEAD, "RunTooLarge")


async def test_all_results_of_a_run_together_have_a_limit(job_kit: JobKit) -> None:
    memo = f'"{"x" * (LARGEST_DRIVEN_RESULT_BYTES - 2)}"'
    most = LARGEST_DRIVEN_STATE_BYTES // LARGEST_DRIVEN_RESULT_BYTES
    rig = Rig(job_kit, lambda asked: [StepRan(str(len(asked.memos)), memo)])
    job = await rig.to_end()
    assert (job.status, str(job.error).partition(":")[0]) == (Status.DEAD, "RunTooLarge")
    assert rig.remote.calls == ["? 0"] * (most + 1)


async def test_a_run_has_as_many_operations_as_a_job_beside_its_notes(job_kit: JobKit) -> None:
    def script(asked: Asked) -> Answer:
        count = len(asked.memos)
        if count == 0:
            return [StepRan(f"~{number}", "1") for number in range(10)] + [
                StepRan(str(number), "1") for number in range(MOST_STEPS - 1)
            ]
        return [StepRan(str(count), "1")] if count < MOST_STEPS else [StepRan("one more", "1")]

    rig = Rig(job_kit, script)
    job = await rig.to_end()
    assert (job.status, str(job.error).partition(":")[0]) == (Status.DEAD, "TooManySteps")
    assert rig.remote.calls == ["? 0"] * 3
