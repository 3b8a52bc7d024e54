"""Checkpoints, in whole runners: what is stored of a run while its driver is called, here and by another runner."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from aiojobs_lite import JobRunner, Status
from aiojobs_lite.durable.checkpoint import RunFence
from aiojobs_lite.durable.driver import Answer, Round
from aiojobs_lite.durable.limits import RunLimits
from aiojobs_lite.durable.memos import MOST_STEPS
from aiojobs_lite.durable.operations import RunReturned, StepPlanned, StepRan
from aiojobs_lite.errors import RunnerNotStarted, RunTooLarge, TooManySteps
from aiojobs_lite.model.steps import StepKind, StepState
from aiojobs_lite.policy.verdict import Wish
from aiojobs_lite.runner.checkpoints import save_checkpoint
from aiojobs_lite.testing import JobKit
from tests.helpers.remote import Asked, Rig, failed, raised, ran, returned


async def test_what_is_stored_during_a_call_is_known_behind_it_and_is_never_stored_or_run_again(
    job_kit: JobKit,
) -> None:
    async def script(asked: Asked) -> Answer:
        if asked.memos:
            return returned(asked)
        rows = await save_checkpoint(rig.runner.durables, asked.fence, [ran("a", "1.0"), ran("b")])
        assert rows is not None
        again = await save_checkpoint(rig.runner.durables, asked.fence, [ran("b", "2"), ran("a", "3")])
        assert again == (rows[1], rows[0])
        return [ran("a", "4"), ran("c")]

    rig = Rig(job_kit, script)
    job = await rig.to_end()
    assert job.result_json == '{"a": 1.0, "b": {"data":1}, "c": {"data":1}}'
    assert (rig.remote.calls, job.attempts) == (["? 0", "? 0"], 1)


async def test_an_answer_with_nothing_new_is_fine_if_something_was_stored(job_kit: JobKit) -> None:
    async def script(asked: Asked) -> Answer:
        if asked.memos:
            return returned(asked)
        await save_checkpoint(rig.runner.durables, asked.fence, [ran("a")])
        return []

    rig = Rig(job_kit, script)
    assert (await rig.to_end()).status is Status.COMPLETED
    assert rig.remote.calls == ["? 0", "? 0"]


async def test_a_step_that_failed_for_good_and_a_planned_one_may_be_stored_so(job_kit: JobKit) -> None:
    async def script(asked: Asked) -> Answer:
        if asked.target is not None:
            return [ran(asked.target)]
        if asked.memos:
            return returned(asked)
        rows = await save_checkpoint(
            rig.runner.durables, asked.fence, [raised("a", Wish.NEVER), StepPlanned("b"), StepPlanned("c")]
        )
        assert rows is not None
        assert [(row.kind, row.state, row.attempts) for row in rows] == [
            (StepKind.RUN, StepState.FAILED, 1), (StepKind.PLANNED, StepState.WAITING, 0),
            (StepKind.PLANNED, StepState.WAITING, 0),
        ]  # fmt: skip
        return [StepPlanned("b"), StepPlanned("c")]

    rig = Rig(job_kit, script)
    job = await rig.to_end()
    assert job.result_json == '{"a": {"error":{"name":"Error"}}, "b": {"data":1}, "c": {"data":1}}'
    assert rig.remote.calls == ["? 0", "b 0", "c 0", "? 0"]


async def test_what_follows_a_checkpoint_has_all_its_attempts_again(job_kit: JobKit) -> None:
    async def script(asked: Asked) -> Answer:
        if not asked.memos and asked.attempt == 1:
            await save_checkpoint(rig.runner.durables, asked.fence, [ran("a")])
        return failed()

    rig = Rig(job_kit, script, max_attempts=2)
    job = await rig.to_end()
    assert job.status is Status.DEAD
    assert [(call, list(asked.memos)) for call, asked in zip(rig.remote.calls, rig.remote.asked, strict=True)] == [
        ("? 0", []), ("? 1", []), ("? 1", ["a"]),
    ]  # fmt: skip


async def test_nothing_is_stored_for_an_attempt_that_is_not_owned(job_kit: JobKit) -> None:
    fences = []

    async def script(asked: Asked) -> Answer:
        fences.append(asked.fence)
        job_id, attempt, owner = asked.fence
        for fence in (RunFence(job_id, attempt + 1, owner), RunFence(job_id, attempt, "-"), RunFence(99, 1, owner)):
            assert await save_checkpoint(rig.runner.durables, fence, [ran("a")]) is None
            assert await save_checkpoint(rig.runner.durables, fence, []) is None
        return returned(asked) if asked.attempt else failed()

    rig = Rig(job_kit, script)
    async with job_kit(rig.runner):
        handle = await rig.runner.enqueue(rig.flow)
        await job_kit.run_to_end()
        for fence in fences:  # of an attempt that failed, and of one that has ended
            assert await save_checkpoint(rig.runner.durables, fence, [ran("a")]) is None
        assert await rig.runner.jobs.steps(handle.id) == []
        assert await handle.result() == {}


async def test_no_step_of_a_coroutine_is_stored_so(job_kit: JobKit) -> None:
    rig, found = Rig(job_kit, returned), []

    @rig.runner.job
    async def native() -> None:
        (running,) = [job.id for job in await rig.runner.jobs.list(type="native")]
        job = await rig.runner.jobs.get(running)
        assert job.owner is not None
        fence = RunFence(running, job.attempts, job.owner)
        found.append(await save_checkpoint(rig.runner.durables, fence, [ran("a")]))

    async with job_kit(rig.runner):
        await (await rig.runner.enqueue(native)).result()
    assert found == [None]
    with pytest.raises(RunnerNotStarted):
        await save_checkpoint(JobRunner(":memory:").durables, RunFence(1, 1, "x"), [])


@pytest.mark.parametrize("how", ["answers", "fails", "raises"])
async def test_another_runner_may_store_it_and_the_owner_reads_it_behind_the_call(
    job_kit: JobKit, tmp_path: Path, how: str
) -> None:
    other = JobRunner(tmp_path / "jobs.db", max_running=0, clock=job_kit.clock)

    async def script(asked: Asked) -> Answer:
        if "b" in asked.memos:
            return returned(asked)
        if not asked.memos:
            rows = await save_checkpoint(other.durables, asked.fence, [ran("a", "1")])
            assert rows == await save_checkpoint(other.durables, asked.fence, [ran("a", "2")])
            if how == "raises":
                raise ConnectionError
            return failed() if how == "fails" else Round([ran("a", "3")], has_stored=True)
        return [ran("b")]

    rig = Rig(job_kit, script, max_attempts=2)
    async with job_kit(rig.runner, database=tmp_path / "jobs.db"), other:
        handle = await rig.runner.enqueue(rig.flow)
        await job_kit.run_to_end()
        steps = await rig.runner.jobs.steps(handle.id)
        assert await handle.result() == {"a": 1, "b": {"data": 1}}
    assert [step.name for step in steps] == ["a", "b"]
    assert list(rig.remote.asked[-1].memos) == ["a", "b"]
    assert rig.remote.calls == ["? 0", "? 0" if how == "answers" else "? 1", "? 0"]


async def test_a_step_that_another_runner_has_stored_counts_after_a_crash(job_kit: JobKit, tmp_path: Path) -> None:
    other = JobRunner(tmp_path / "jobs.db", max_running=0, clock=job_kit.clock)
    crashes = ["once"]

    async def script(asked: Asked) -> Answer:
        if asked.memos:
            return returned(asked)
        if asked.attempt == 0:
            return failed()
        await save_checkpoint(other.durables, asked.fence, [ran("a")])
        crashes.append("stored")
        await asyncio.Event().wait()
        return []

    rig = Rig(job_kit, script, max_attempts=2)
    path = tmp_path / "jobs.db"
    async with job_kit(rig.runner, database=path):
        async with other:
            handle = await rig.runner.enqueue(rig.flow)
            await job_kit.advance("2m")
        assert crashes == ["once", "stored"]
        await job_kit.crash()
    async with job_kit(rig.runner, database=path):
        await job_kit.run_to_end()
        assert (await rig.runner.jobs.get(handle.id)).status is Status.COMPLETED
    assert [list(asked.memos) for asked in rig.remote.asked] == [[], [], ["a"]]


@pytest.mark.parametrize("how", ["is lost", "fails", "says otherwise", "has more", "comes"])
@pytest.mark.parametrize("is_elsewhere", [False, True])
async def test_the_end_that_was_stored_is_the_end_whatever_becomes_of_the_answer(
    job_kit: JobKit, tmp_path: Path, how: str, is_elsewhere: bool
) -> None:
    other = JobRunner(tmp_path / "jobs.db", max_running=0, clock=job_kit.clock)

    async def script(asked: Asked) -> Answer:
        runner = other if is_elsewhere else rig.runner
        assert await save_checkpoint(runner.durables, asked.fence, [ran("a")], RunReturned("1.0")) is not None
        if how == "is lost":
            raise ConnectionError
        if how == "has more":
            return Round([StepPlanned("b")], has_stored=True)
        return failed(Wish.NEVER) if how == "fails" else RunReturned("1.0" if how == "comes" or is_elsewhere else "2")

    rig = Rig(job_kit, script)
    async with job_kit(rig.runner, database=tmp_path / "jobs.db"), other:
        handle = await rig.runner.enqueue(rig.flow)
        await job_kit.run_to_end()
        job = await handle.job()
    assert (job.status, job.result_json, job.attempts) == (Status.COMPLETED, "1.0", 1)
    assert rig.remote.calls == ["? 0"]


async def test_a_run_whose_end_was_stored_before_a_crash_is_called_no_more(job_kit: JobKit) -> None:
    async def script(asked: Asked) -> Answer:
        await save_checkpoint(rig.runner.durables, asked.fence, [], RunReturned())
        await job_kit.crash()
        return []

    rig = Rig(job_kit, script)
    async with job_kit(rig.runner):
        handle = await rig.runner.enqueue(rig.flow)
        await job_kit.advance(1)
    async with job_kit(rig.runner):
        await job_kit.run_to_end()
        job = await rig.runner.jobs.get(handle.id)
    assert (job.status, job.result_json) == (Status.COMPLETED, "null")
    assert rig.remote.calls == ["? 0"]


async def test_a_checkpoint_is_refused_that_a_run_may_not_store(job_kit: JobKit) -> None:
    async def script(asked: Asked) -> Answer:
        if asked.memos:
            return RunReturned(str(len(asked.memos)))
        durables, too_many = rig.runner.durables, [ran(str(number), "1") for number in range(MOST_STEPS + 1)]
        with pytest.raises(TooManySteps):
            await save_checkpoint(durables, asked.fence, too_many)
        with pytest.raises(RunTooLarge) as refused:
            await save_checkpoint(durables, asked.fence, [ran("a"), StepRan("b", "1" * 51)])
        assert (refused.value.size, refused.value.most, refused.value.job_id) == (51, 50, asked.fence.job_id)
        with pytest.raises(RunTooLarge):
            await save_checkpoint(durables, asked.fence, [StepRan(str(number), "1" * 40) for number in range(51)])
        await save_checkpoint(durables, asked.fence, [StepRan(name, "1" * 40) for name in "ab"])
        return []

    rig = Rig(job_kit, script, limits=RunLimits(result=50, state=2_000))
    job = await rig.to_end()
    assert job.result_json == "2"
