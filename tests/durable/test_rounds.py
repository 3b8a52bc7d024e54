"""Runs whose driver answers calls, in whole runners: what it answers is stored, waited for and tried again."""

from __future__ import annotations

import pytest

from aiojobs_lite import Backoff, Status
from aiojobs_lite.durable.driver import Answer
from aiojobs_lite.durable.memos import MOST_STEPS
from aiojobs_lite.durable.operations import InvokeJob, RunReturned, Sleep, StepPlanned, WaitForEvent
from aiojobs_lite.errors import RunnerNotStarted
from aiojobs_lite.model.event_match import EventMatch
from aiojobs_lite.model.job import Held
from aiojobs_lite.policy.verdict import Wish
from aiojobs_lite.runner.driven import driven
from aiojobs_lite.telemetry.facts import StepRetried, StepsSkipped
from aiojobs_lite.testing import JobKit
from aiojobs_lite.testing.probe import Probe
from tests.helpers.remote import HOUR, Asked, Remote, Rig, failed, next_of, raised, ran, returned
from tests.helpers.waiting import until


async def test_what_was_done_is_given_word_for_word_and_the_result_is_as_it_came(job_kit: JobKit) -> None:
    def script(asked: Asked) -> Answer:
        memos = ["1.0", "null", '{"b":12345678901234567890,"a":1e2}']
        done = len(asked.memos)
        return [ran(f"step{done}", memos[done])] if done < len(memos) else returned(asked)

    rig = Rig(job_kit, script)
    async with job_kit(rig.runner):
        facts = rig.runner.watch()
        handle = await rig.runner.enqueue(rig.flow, {"user": 1.0})
        await job_kit.run_to_end()
        job = await handle.job()
        assert job.result_json == '{"step0": 1.0, "step1": null, "step2": {"b":12345678901234567890,"a":1e2}}'
        assert (job.status, job.attempts) == (Status.COMPLETED, 1)
        assert not [fact for fact in facts.take() if isinstance(fact, StepsSkipped)]
    assert rig.remote.calls == ["? 0"] * 4
    assert {asked.payload for asked in rig.remote.asked} == {'{"data":{"user":1.0}}'}


async def test_planned_steps_run_side_by_side_and_one_call_comes_after_all_of_the_set(job_kit: JobKit) -> None:
    rig: Rig

    def script(asked: Asked) -> Answer:
        if asked.target is not None:
            return [ran(asked.target)]
        if asked.memos:
            return returned(asked)
        match = EventMatch("user/replied")
        return [StepPlanned("a"), Sleep("nap", rig.at(60)), StepPlanned("b"), WaitForEvent("reply", match)]

    rig = Rig(job_kit, script, together=2)
    async with job_kit(rig.runner):
        handle = await rig.runner.enqueue(rig.flow)
        await job_kit.advance("1m")
        assert sorted(rig.remote.calls) == ["? 0", "a 0", "b 0"]
        job = await handle.job()
        assert (job.held, job.attempts) == (Held.EVENT, 0)
        await rig.runner.send("user/replied", {"text": "yes"}, id="r1")
        await job_kit.run_to_end()
        result = await handle.result()
    assert len(rig.remote.calls) == 4
    last = rig.remote.asked[-1]
    assert (last.target, set(last.memos), list(last.memos)[2:]) == (None, {"a", "b", "nap", "reply"}, ["nap", "reply"])
    assert (result["nap"], result["reply"]["data"], result["a"]) == (None, {"text": "yes"}, {"data": 1})


async def test_a_sleep_holds_nothing_and_is_over_in_time(job_kit: JobKit) -> None:
    rig: Rig
    rig = Rig(job_kit, lambda asked: returned(asked) if asked.memos else [Sleep("nap", rig.at(HOUR))], max_attempts=1)
    async with job_kit(rig.runner):
        handle = await rig.runner.enqueue(rig.flow)
        await job_kit.advance("59m")
        job = await handle.job()
        assert (job.status, job.attempts, rig.runner.stats().running) == (Status.PENDING, 0, 0)
        assert rig.remote.calls == ["? 0"]
        await job_kit.advance("1m")
        assert await handle.result() == {"nap": None}
    assert rig.remote.calls == ["? 0", "? 0"]


async def test_a_planned_step_that_fails_is_called_again_by_itself_with_its_own_attempts(job_kit: JobKit) -> None:
    def script(asked: Asked) -> Answer:
        if asked.target == "b" and asked.attempt < 2:
            return [raised("b", Wish.RETRY, delay=HOUR, most=4)]
        if asked.target is not None:
            return [ran(asked.target)]
        return returned(asked) if asked.memos else [StepPlanned("a"), StepPlanned("b")]

    rig = Rig(job_kit, script, max_attempts=1)
    async with job_kit(rig.runner):
        facts = rig.runner.watch()
        handle = await rig.runner.enqueue(rig.flow)
        await job_kit.advance("59m")
        assert sorted(rig.remote.calls) == ["? 0", "a 0", "b 0"]
        await job_kit.run_to_end()
        assert (await handle.job()).status is Status.COMPLETED
        retried = [fact.attempt for fact in facts.take() if isinstance(fact, StepRetried)]
    assert retried == [1, 2]
    assert rig.remote.calls[3:] == ["b 1", "b 2", "? 0"]


async def test_a_planned_step_fails_for_good_after_its_last_attempt_and_the_code_may_go_on(job_kit: JobKit) -> None:
    def script(asked: Asked) -> Answer:
        if asked.target is not None:
            return [raised(asked.target)]
        return returned(asked) if asked.memos else [StepPlanned("a")]

    rig = Rig(job_kit, script)
    job = await rig.to_end()
    assert rig.remote.calls == ["? 0", "a 0", "a 1", "a 2", "? 0"]
    assert rig.remote.asked[-1].memos == {"a": '{"error":{"name":"Error"}}'}
    assert job.result_json == '{"a": {"error":{"name":"Error"}}}'


@pytest.mark.parametrize("wish", [Wish.NEVER, Wish.AGAIN])
async def test_a_call_for_a_step_that_fails_altogether_is_tried_again_alone_and_ends_the_run_at_last(
    job_kit: JobKit, wish: Wish
) -> None:
    def script(asked: Asked) -> Answer:
        if asked.target is not None:
            return failed(wish if asked.attempt else Wish.AGAIN)
        return [StepPlanned("a"), Sleep("nap", rig.at(HOUR * 100))]

    rig = Rig(job_kit, script, max_attempts=2 if wish is Wish.AGAIN else 5)
    job = await rig.to_end()
    assert rig.remote.calls == ["? 0", "a 0", "a 1"]
    what = "AppError of step 'a', all of whose attempts are used up," if wish is Wish.AGAIN else "AppError"
    assert (job.status, job.error) == (Status.DEAD, "AppError: 500")
    assert job.reason == f"{what} is not to be tried again"


async def test_a_step_that_was_found_and_failed_is_found_again_with_its_attempts(job_kit: JobKit) -> None:
    rig = Rig(job_kit, next_of([ran("a")], [raised("b")], [raised("b")], [ran("b")], RunReturned("7")))
    job = await rig.to_end()
    assert rig.remote.calls == ["? 0", "? 0", "? 1", "? 2", "? 0"]
    assert job.result_json == "7"


async def test_a_step_that_failed_and_is_not_there_any_more_holds_nothing_up(job_kit: JobKit) -> None:
    rig = Rig(job_kit, next_of([raised("old")], [ran("new")], [StepPlanned("more")], [ran("more")], RunReturned()))
    job = await rig.to_end()
    assert rig.remote.calls == ["? 0", "? 1", "? 0", "more 0", "? 0"]
    assert job.status is Status.COMPLETED


async def test_a_found_step_that_failed_may_be_planned_with_others(job_kit: JobKit) -> None:
    rig = Rig(job_kit, next_of([raised("a")], [StepPlanned("a")], [raised("a")], [ran("a")], RunReturned()))
    await rig.to_end()
    assert rig.remote.calls == ["? 0", "? 1", "a 1", "a 2", "? 0"]


async def test_a_run_that_fails_has_the_attempts_of_its_job_anew_after_each_step(job_kit: JobKit) -> None:
    rig = Rig(job_kit, next_of(failed(), failed(Wish.RETRY, HOUR), [ran("a")], failed(), failed(), failed()))
    job = await rig.to_end()
    assert rig.remote.calls == ["? 0", "? 1", "? 2", "? 0", "? 1", "? 2"]
    assert (job.status, job.error) == (Status.DEAD, "AppError: 500")


async def test_a_run_that_must_not_be_tried_again_is_dead(job_kit: JobKit) -> None:
    rig = Rig(job_kit, next_of(failed(Wish.NEVER)))
    job = await rig.to_end()
    assert (job.status, job.reason) == (Status.DEAD, "AppError is not to be tried again")


async def test_a_child_returns_dies_or_is_late_in_a_memo_of_its_parent(job_kit: JobKit) -> None:
    rig: Rig

    def script(asked: Asked) -> Answer:
        if asked.memos:
            return returned(asked)
        children = {"fine": child, "dead": child, "late": child.using(delay="1d")}
        return [
            InvokeJob(name, Probe(rig.runner).durables.children.candidate(job, (name,), {}), rig.at(HOUR))
            for name, job in children.items()
        ]

    rig = Rig(job_kit, script)

    @rig.runner.job(max_attempts=1)
    async def child(how: str) -> float:
        if how == "dead":
            raise ConnectionError(how)
        return 1.0

    async with job_kit(rig.runner):
        handle = await rig.runner.enqueue(rig.flow)
        await job_kit.advance("59m")
        assert rig.remote.calls == ["? 0"]
        await job_kit.advance("1m")
        await handle.result()
    memos = rig.remote.asked[-1].memos
    assert (memos["fine"], list(memos)[-1]) == ('{"data":1.0}', "late")
    assert '"status": "dead"' in str(memos["dead"])
    assert '"status": "timeout"' in str(memos["late"])


async def test_a_child_that_its_options_refuse_fails_the_attempt(job_kit: JobKit) -> None:
    rig: Rig

    def script(_: Asked) -> Answer:
        candidate = Probe(rig.runner).durables.children.candidate(child.using(max_pending=1, delay="1d"), (), {})
        return [InvokeJob("one", candidate), InvokeJob("two", candidate)]

    rig = Rig(job_kit, script, max_attempts=1)

    @rig.runner.job
    async def child() -> None: ...

    async with job_kit(rig.runner):
        handle = await rig.runner.enqueue(rig.flow)
        await job_kit.advance(1)
        job = await handle.job()
    assert (job.status, str(job.error).partition(":")[0]) == (Status.DEAD, "QueueFull")


async def test_a_run_can_be_cancelled_while_it_waits_and_while_it_is_called(job_kit: JobKit) -> None:
    rig: Rig
    rig = Rig(
        job_kit, lambda asked: [ran("x")] if asked.target else [StepPlanned("a"), Sleep("nap", rig.at(60))], together=2
    )
    async with job_kit(rig.runner):
        handle = await rig.runner.enqueue(rig.flow)
        await until(lambda: rig.remote.calls == ["? 0", "a 0"])
        await handle.cancel()  # the call for the step waits for another one
        await job_kit.run_to_end()
        assert (await handle.job()).status is Status.CANCELLED
    rig = Rig(job_kit, lambda _: [Sleep("nap", rig.at(HOUR))])
    async with job_kit(rig.runner):
        handle = await rig.runner.enqueue(rig.flow)
        await job_kit.advance(1)
        await handle.cancel()
        assert (await handle.job()).status is Status.CANCELLED
    assert rig.remote.calls == ["? 0"]


async def test_a_set_goes_on_after_a_crash_with_what_is_left_of_it(job_kit: JobKit) -> None:
    crashes = ["once"]

    def script(asked: Asked) -> Answer:
        if asked.target == "b" and crashes:
            return [raised("b", Wish.RETRY, delay=HOUR)]
        if asked.target is not None:
            return [ran(asked.target)]
        return returned(asked) if asked.memos else [StepPlanned("a"), StepPlanned("b")]

    rig = Rig(job_kit, script)
    async with job_kit(rig.runner):
        handle = await rig.runner.enqueue(rig.flow)
        await job_kit.advance("1m")
        await job_kit.crash()
    crashes.clear()
    async with job_kit(rig.runner):
        await job_kit.run_to_end()
        assert (await rig.runner.jobs.get(handle.id)).status is Status.COMPLETED
    assert sorted(rig.remote.calls[:3]) == ["? 0", "a 0", "b 0"]
    assert rig.remote.calls[3:] == ["b 1", "? 0"]


async def test_a_run_that_ends_in_one_of_its_branches_waits_for_no_other(job_kit: JobKit) -> None:
    rig: Rig
    rig = Rig(
        job_kit, lambda asked: returned(asked) if asked.target else [StepPlanned("a"), Sleep("nap", rig.at(HOUR))]
    )
    async with job_kit(rig.runner):
        handle = await rig.runner.enqueue(rig.flow)
        await job_kit.advance(1)
        assert await handle.result() == {}


async def test_an_answer_that_brings_nothing_on_fails_the_attempt_or_the_step(job_kit: JobKit) -> None:
    rig = Rig(
        job_kit,
        next_of([ran("a")], [ran("a", "2")], [StepPlanned("b")], [], [StepPlanned("b"), ran("c")], RunReturned()),
    )
    async with job_kit(rig.runner):
        facts = rig.runner.watch()
        handle = await rig.runner.enqueue(rig.flow)
        await job_kit.run_to_end()
        job = await handle.job()
        (retried, *_) = [fact for fact in facts.take() if isinstance(fact, StepRetried)]
    assert rig.remote.calls == ["? 0", "? 0", "? 1", "b 0", "b 1", "b 2"]
    assert job.history[0].message == "its driver answered neither an end nor an operation that is new"
    assert retried.error == "InvalidAnswer: its driver was called for step 'b', and did not answer what came of it"


async def test_an_answer_has_no_more_operations_than_a_job_may_have(job_kit: JobKit) -> None:
    rig = Rig(job_kit, lambda _: [StepPlanned(str(number)) for number in range(MOST_STEPS + 1)], max_attempts=1)
    job = await rig.to_end()
    assert str(job.error).startswith("TooManySteps")
    assert rig.remote.calls == ["? 0"]


async def test_a_driver_that_raises_costs_its_job_an_attempt(job_kit: JobKit) -> None:
    def script(asked: Asked) -> Answer:
        if asked.attempt == 0:
            raise ConnectionError("refused")
        return returned(asked)

    rig = Rig(job_kit, script)
    job = await rig.to_end()
    assert rig.remote.calls == ["? 0", "? 1"]
    assert job.history[0].error_type == "ConnectionError"


async def test_a_driven_handler_runs_in_a_runner_alone() -> None:
    with pytest.raises(RunnerNotStarted):
        await driven(Remote(next_of()))()


async def test_a_driver_may_wait_on_behind_an_event_that_did_not_fit_and_misses_none(job_kit: JobKit) -> None:
    match = EventMatch("user/replied", ("user",), "[7]")

    def script(asked: Asked) -> Answer:
        last = list(asked.memos.values())[-1] if asked.memos else None
        if last is not None and '"text":"yes"' in last:
            return returned(asked)
        return [WaitForEvent(f"reply~{len(asked.memos)}", match, after=last)]

    rig = Rig(job_kit, script)
    async with job_kit(rig.runner):
        handle = await rig.runner.enqueue(rig.flow)
        await job_kit.advance(1)
        for text in ("no", "never", "yes", "later"):
            await rig.runner.send("user/replied", {"user": 7, "text": text}, id=None if text == "no" else text)
        await job_kit.run_to_end()
        result = await handle.result()
    assert [reply["data"]["text"] for reply in result.values()] == ["no", "never", "yes"]
    assert rig.remote.calls == ["? 0"] * 4


async def test_what_is_called_for_has_its_attempts_however_it_fails(job_kit: JobKit) -> None:
    """The code, and then a step that it finds: to the driver they are one thing that is called for."""
    rig = Rig(
        job_kit, next_of(failed(), [raised("b")], [ran("b")], failed(), failed(), [raised("c")], RunReturned("1"))
    )
    job = await rig.to_end()
    assert rig.remote.calls == ["? 0", "? 1", "? 2", "? 0", "? 1", "? 2", "? 0"]
    assert rig.remote.asked[-1].memos == {"b": '{"data":1}', "c": '{"error":{"name":"Error"}}'}
    assert (job.status, {asked.most for asked in rig.remote.asked}) == (Status.COMPLETED, {3})


async def test_a_call_that_fails_behind_a_step_that_was_found_ends_the_run_at_the_last_attempt(job_kit: JobKit) -> None:
    rig = Rig(job_kit, next_of([raised("b")], failed(), failed(Wish.RETRY, HOUR)))
    job = await rig.to_end()
    assert rig.remote.calls == ["? 0", "? 1", "? 2"]
    assert (job.status, job.error) == (Status.DEAD, "AppError: 500")
    assert job.reason == "AppError of step 'b', all of whose attempts are used up, is not to be tried again"


@pytest.mark.parametrize("target", [None, "a"])
async def test_a_driver_says_when_what_failed_is_tried_again(job_kit: JobKit, target: str | None) -> None:
    def script(asked: Asked) -> Answer:
        if not asked.memos and asked.target is None and target is not None:
            return [StepPlanned("a")]
        return returned(asked) if asked.memos or asked.attempt else failed(Wish.RETRY, HOUR)

    rig = Rig(job_kit, script, backoff=Backoff(base=1.0))
    async with job_kit(rig.runner):
        handle = await rig.runner.enqueue(rig.flow)
        await job_kit.advance("59m")
        assert (await handle.job()).status is Status.PENDING
        assert rig.remote.calls[-1] == ("? 0" if target is None else "a 0")
        await job_kit.advance("1m")
        assert (await handle.job()).status is Status.COMPLETED
