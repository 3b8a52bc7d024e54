"""Sets of operations side by side, in whole runners: when the driver is called again, and when it plans."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from aiojobs_lite import Status
from aiojobs_lite.durable.driver import Answer, Round
from aiojobs_lite.durable.operations import InvokeJob, RunReturned, Sleep, StepPlanned, WaitForEvent
from aiojobs_lite.model.event_match import EventMatch
from aiojobs_lite.policy.verdict import Wish
from aiojobs_lite.testing import JobKit
from aiojobs_lite.testing.probe import Probe
from tests.helpers.remote import HOUR, Asked, Rig, failed, raised, ran, returned
from tests.helpers.waiting import until

AB = (StepPlanned("a"), StepPlanned("b"))


class Doors:
    """Steps whose calls go on until the test says so.

    Attributes:
        running: The steps whose calls go on.
    """

    def __init__(self, *names: str) -> None:
        self._doors = {name: asyncio.Event() for name in names}
        self.running: set[str] = set()

    async def through(self, name: str) -> Answer:
        """The answer to the call for a step, once it may end."""
        self.running.add(name)
        try:
            await self._doors[name].wait()
        finally:
            self.running.discard(name)
        return [ran(name)]

    def open(self, name: str) -> None:
        """Lets the call for a step end."""
        self._doors[name].set()


def of_memos(answers: dict[str, Answer]) -> Callable[[Asked], Answer]:
    """Answers a call without a target by the names of what has ended, in that order."""
    return lambda asked: answers[" ".join(asked.memos)]


async def test_in_a_race_a_call_follows_each_end_while_the_others_go_on(job_kit: JobKit) -> None:
    doors = Doors("a", "b")
    answers = of_memos({"": Round(AB, raced=["a", "b"]), "b": [], "b a": RunReturned("1")})

    async def script(asked: Asked) -> Answer:
        return answers(asked) if asked.target is None else await doors.through(asked.target)

    rig = Rig(job_kit, script)
    async with job_kit(rig.runner):
        handle = await rig.runner.enqueue(rig.flow)
        await until(lambda: doors.running == {"a", "b"})
        doors.open("b")
        await until(lambda: rig.remote.calls[-1] == "? 0" and len(rig.remote.calls) == 4)
        assert doors.running == {"a"}
        assert rig.remote.asked[-1].waiting == ("a",)
        doors.open("a")
        assert await handle.result() == 1
    assert rig.remote.calls == ["? 0", "a 0", "b 0", "? 0", "? 0"]


async def test_a_race_that_is_decided_ends_the_run_and_cancels_the_calls_of_the_others(job_kit: JobKit) -> None:
    doors, cancelled = Doors("a", "b"), []

    async def script(asked: Asked) -> Answer:
        if asked.target is None:
            return returned(asked) if asked.memos else Round(AB, raced=["a", "b"])
        try:
            return await doors.through(asked.target)
        except asyncio.CancelledError:
            cancelled.append(asked.target)
            raise

    rig = Rig(job_kit, script)
    async with job_kit(rig.runner):
        handle = await rig.runner.enqueue(rig.flow)
        await until(lambda: doors.running == {"a", "b"})
        doors.open("b")
        assert await handle.result() == {"b": {"data": 1}}
        assert (await handle.job()).attempts == 1
    assert cancelled == ["a"]


async def test_waits_in_a_race_are_closed_when_it_is_decided(job_kit: JobKit) -> None:
    rig: Rig

    def script(asked: Asked) -> Answer:
        if asked.memos:
            return returned(asked)
        child = Probe(rig.runner).durables.children.candidate(late, (), {})
        reply = WaitForEvent("reply", EventMatch("user/replied"), rig.at(HOUR))
        return Round([reply, Sleep("nap", rig.at(60)), InvokeJob("child", child)], raced=["reply", "nap"])

    rig = Rig(job_kit, script)

    @rig.runner.job
    async def child() -> None: ...

    late = child.using(delay="1d")
    async with job_kit(rig.runner):
        handle = await rig.runner.enqueue(rig.flow)
        await job_kit.advance("1m")
        assert await handle.result() == {"nap": None}
        sent = await rig.runner.send("user/replied", {})
        assert not sent.handles
    assert rig.remote.calls == ["? 0", "? 0"]
    assert set(rig.remote.asked[-1].waiting) == {"reply", "child"}


async def test_a_run_that_waits_in_a_race_goes_on_at_the_first_end_after_a_crash_as_well(job_kit: JobKit) -> None:
    rig: Rig

    def script(asked: Asked) -> Answer:
        if "nap" in asked.memos:
            return returned(asked)
        if asked.memos:
            return []
        reply = WaitForEvent("reply", EventMatch("user/replied"))
        return Round([reply, Sleep("nap", rig.at(HOUR))], raced=["reply", "nap"])

    rig = Rig(job_kit, script)
    async with job_kit(rig.runner):
        handle = await rig.runner.enqueue(rig.flow)
        await job_kit.advance("1m")
        await job_kit.crash()
    async with job_kit(rig.runner):
        assert rig.remote.calls == ["? 0"]
        await rig.runner.send("user/replied", {"text": "yes"})
        await job_kit.advance("1m")
        assert rig.remote.calls == ["? 0", "? 0"]
        assert (await rig.runner.jobs.get(handle.id)).status is Status.PENDING
        await job_kit.advance("1h")
        assert (await rig.runner.jobs.get(handle.id)).status is Status.COMPLETED
    assert rig.remote.calls == ["? 0"] * 3
    assert [list(asked.memos) for asked in rig.remote.asked] == [[], ["reply"], ["reply", "nap"]]


async def test_a_call_that_is_asked_for_while_one_goes_on_follows_it(job_kit: JobKit) -> None:
    doors = Doors("a", "b", "c", "?")
    together: list[int] = []
    names = ["a", "b", "c"]

    async def script(asked: Asked) -> Answer:
        if asked.target is not None:
            return await doors.through(asked.target)
        if not asked.memos:
            return Round([StepPlanned(name) for name in names], raced=names)
        together.append(len(asked.memos))
        await doors.through("?")
        together.append(-len(asked.memos))
        return returned(asked) if len(asked.memos) == 3 else []

    rig = Rig(job_kit, script)
    async with job_kit(rig.runner):
        handle = await rig.runner.enqueue(rig.flow)
        await until(lambda: doors.running == {"a", "b", "c"})
        doors.open("a")
        await until(lambda: doors.running == {"b", "c", "?"})
        doors.open("b")
        doors.open("c")
        await until(lambda: doors.running == {"?"})
        doors.open("?")
        assert len(await handle.result()) == 3
    assert together in ([1, -1, 3, -3], [1, -1, 2, -2, 3, -3]), "never two at once"


async def test_a_planned_step_that_is_answered_again_is_called_once(job_kit: JobKit) -> None:
    doors = Doors("a", "b", "c")
    answers = of_memos(
        {"": Round(AB, raced=["a", "b"]), "a": [StepPlanned("b"), StepPlanned("c")], "a c b": RunReturned("1")}
    )

    async def script(asked: Asked) -> Answer:
        return answers(asked) if asked.target is None else await doors.through(asked.target)

    rig = Rig(job_kit, script)
    async with job_kit(rig.runner):
        handle = await rig.runner.enqueue(rig.flow)
        doors.open("a")
        await until(lambda: doors.running == {"b", "c"})
        doors.open("c")
        await until(lambda: doors.running == {"b"})
        doors.open("b")
        assert await handle.result() == 1
    assert rig.remote.calls == ["? 0", "a 0", "b 0", "? 0", "c 0", "? 0"]


async def test_a_driver_that_is_called_for_each_plans_from_its_first_set_on(job_kit: JobKit) -> None:
    doors = Doors("a", "b", "c")
    answers = of_memos(
        {
            "": Round([ran("first")], calls_each=True),
            "first": Round(AB, calls_each=True),
            "first a": Round([StepPlanned("c")], calls_each=True),
            "first a c": Round([], calls_each=True),
            "first a c b": RunReturned("1"),
        }
    )

    async def script(asked: Asked) -> Answer:
        return answers(asked) if asked.target is None else await doors.through(asked.target)

    rig = Rig(job_kit, script)
    async with job_kit(rig.runner):
        handle = await rig.runner.enqueue(rig.flow)
        doors.open("a")
        doors.open("c")
        await until(lambda: doors.running == {"b"} and len(rig.remote.calls) == 7)
        doors.open("b")
        assert await handle.result() == 1
    assert rig.remote.calls == ["? 0", "? 0", "a 0", "b 0", "? 0", "c 0", "? 0", "? 0"]
    assert [asked.is_planning for asked in rig.remote.asked] == [False, False, *[True] * 6]


async def test_an_empty_answer_with_nothing_open_has_the_driver_called_again_and_then_fails_the_attempt(
    job_kit: JobKit,
) -> None:
    def script(asked: Asked) -> Answer:
        if asked.target is not None:
            return [ran(asked.target)]
        return Round([], calls_each=True) if asked.memos else Round(AB, calls_each=True)

    rig = Rig(job_kit, script, together=2)
    job = await rig.to_end()
    assert (job.status, job.reason) == (Status.DEAD, "all 3 attempts used up")
    assert job.error == "InvalidAnswer: its driver answered neither an end nor an operation that is new"
    calls = rig.remote.calls[3:]
    assert calls[-2:] == ["? 1", "? 2"]
    assert set(calls[:-2]) == {"? 0"}
    assert 2 <= len(calls[:-2]) <= 3, "one after all have ended, or one after each, and once more"


async def test_calls_plan_while_there_are_several_side_by_side_and_until_all_have_ended(job_kit: JobKit) -> None:
    answers = of_memos({"": [ran("first")], "first": AB, "first a b": [StepPlanned("c")], "first a b c": RunReturned()})
    rig = Rig(job_kit, lambda asked: answers(asked) if asked.target is None else [ran(asked.target)], together=1)
    await rig.to_end()
    assert rig.remote.calls == ["? 0", "? 0", "a 0", "b 0", "? 0", "c 0", "? 0"]
    assert [asked.is_planning for asked in rig.remote.asked] == [False, False, True, True, False, False, False]
    assert [asked.waiting for asked in rig.remote.asked][3] in {("b",), ("a", "b")}


async def test_the_call_after_a_sleep_that_ended_a_set_still_plans(job_kit: JobKit) -> None:
    rig: Rig
    answers = of_memos({"a nap": [StepPlanned("b")], "a nap b": RunReturned()})

    def script(asked: Asked) -> Answer:
        if asked.target is not None:
            return [ran(asked.target)]
        return answers(asked) if asked.memos else [StepPlanned("a"), Sleep("nap", rig.at(60))]

    rig = Rig(job_kit, script)
    await rig.to_end()
    assert rig.remote.calls == ["? 0", "a 0", "? 0", "b 0", "? 0"]
    assert [asked.is_planning for asked in rig.remote.asked] == [False, True, True, False, False]
    single = Rig(job_kit, lambda asked: returned(asked) if asked.memos else [Sleep("nap", rig.at(60))])
    await single.to_end()
    assert [asked.is_planning for asked in single.remote.asked] == [False, False]


async def test_a_call_that_fails_in_a_race_lets_the_calls_of_the_others_end_first(job_kit: JobKit) -> None:
    doors, failures = Doors("a", "b"), [failed(Wish.RETRY, HOUR)]

    async def script(asked: Asked) -> Answer:
        if asked.target is not None:
            return await doors.through(asked.target)
        if not asked.memos:
            return Round([*AB, WaitForEvent("reply", EventMatch("user/replied"))], raced=["a", "b"])
        return failures.pop() if failures else returned(asked)

    rig = Rig(job_kit, script)
    async with job_kit(rig.runner):
        handle = await rig.runner.enqueue(rig.flow)
        doors.open("a")
        await until(lambda: not failures)
        assert (await handle.job()).status is Status.PROCESSING
        doors.open("b")
        await until(lambda: not doors.running)
        await job_kit.advance("59m")
        job = await handle.job()
        assert (job.status, job.held, job.attempts) == (Status.PENDING, None, 1)
        await job_kit.advance("1m")
        assert await handle.result() == {"a": {"data": 1}, "b": {"data": 1}}
    assert rig.remote.calls == ["? 0", "a 0", "b 0", "? 0", "? 1"]


async def test_a_run_that_returns_beside_a_call_that_failed_has_returned(job_kit: JobKit) -> None:
    doors, failing = Doors("a", "b"), asyncio.Event()

    async def script(asked: Asked) -> Answer:
        if asked.target is not None:
            await doors.through(asked.target)
            return RunReturned("2") if asked.target == "b" else [ran("a")]
        if not asked.memos:
            return Round(AB, raced=["a", "b"])
        failing.set()
        return failed()

    rig = Rig(job_kit, script)
    async with job_kit(rig.runner):
        handle = await rig.runner.enqueue(rig.flow)
        doors.open("a")
        await failing.wait()
        doors.open("b")
        assert await handle.result() == 2
        assert (await handle.job()).attempts == 1


async def test_a_step_that_was_found_in_a_race_and_failed_is_asked_for_again_while_the_others_wait(
    job_kit: JobKit,
) -> None:
    rig: Rig

    def script(asked: Asked) -> Answer:
        if len(asked.memos) > 1:
            return returned(asked)
        if asked.memos:
            return [ran("b") if asked.attempt else raised("b", Wish.RETRY, HOUR)]
        reply = WaitForEvent("reply", EventMatch("user/replied"))
        return Round([reply, Sleep("nap", rig.at(60))], raced=["reply", "nap"])

    rig = Rig(job_kit, script)
    async with job_kit(rig.runner):
        handle = await rig.runner.enqueue(rig.flow)
        await job_kit.advance("59m")
        assert rig.remote.calls == ["? 0", "? 0"]
        job = await handle.job()
        assert (job.status, job.held) == (Status.PENDING, None)
        await job_kit.advance("2m")
        assert await handle.result() == {"nap": None, "b": {"data": 1}}
    assert rig.remote.calls == ["? 0", "? 0", "? 1", "? 0"]


async def test_a_planned_step_that_is_tried_again_asks_for_no_call_beside_it(job_kit: JobKit) -> None:
    rig: Rig

    def script(asked: Asked) -> Answer:
        if asked.target == "b" and asked.attempt < 2:
            return [raised("b", Wish.RETRY, HOUR)]
        if asked.target is not None:
            return [ran(asked.target)]
        return returned(asked) if len(asked.memos) == 2 else Round([] if asked.memos else AB, raced=["a", "b"])

    rig = Rig(job_kit, script)
    async with job_kit(rig.runner):
        handle = await rig.runner.enqueue(rig.flow)
        await job_kit.advance("2h")
        assert (await handle.job()).status is Status.COMPLETED
    assert rig.remote.calls == ["? 0", "a 0", "b 0", "? 0", "b 1", "b 2", "? 0"]


async def test_what_was_seen_before_a_redrive_hides_nothing_after_it(job_kit: JobKit) -> None:
    """The places of what had failed are given again."""
    rig: Rig

    def script(asked: Asked) -> Answer:
        if asked.target is not None:
            return [raised(asked.target, Wish.NEVER) if len(rig.remote.asked) < 4 else ran(asked.target)]
        if "a" in asked.memos and "nap" in asked.memos:
            return returned(asked)
        if asked.memos:
            return []
        never = WaitForEvent("never", EventMatch("e"))
        return Round([StepPlanned("a"), Sleep("nap", rig.at(HOUR)), never], raced=["a", "nap"])

    rig = Rig(job_kit, script)
    async with job_kit(rig.runner):
        handle = await rig.runner.enqueue(rig.flow)
        await job_kit.advance("1m")
        assert rig.remote.calls == ["? 0", "a 0", "? 0"]
        await handle.cancel()
        await rig.runner.jobs.redrive(handle.id)
        await job_kit.advance("2h")
        assert (await handle.job()).status is Status.COMPLETED


async def test_waits_that_are_over_when_a_run_goes_on_late_have_ended_in_the_order_of_their_instants(
    job_kit: JobKit,
) -> None:
    rig: Rig

    def script(asked: Asked) -> Answer:
        if asked.memos:
            return returned(asked)
        naps = [Sleep("third", rig.at(3)), Sleep("first", rig.at(1)), Sleep("second", rig.at(2))]
        return Round(naps, raced=["first"])

    rig = Rig(job_kit, script)
    async with job_kit(rig.runner):
        handle = await rig.runner.enqueue(rig.flow)
        await job_kit.advance(0.5)
        await rig.runner.types.pause("flow")
        await job_kit.advance("1m")
        await rig.runner.types.resume("flow")
        await job_kit.run_to_end()
        assert list(await handle.result()) == ["first", "second", "third"]


async def test_an_attempt_that_failed_in_a_race_waits_for_no_step_that_is_tried_again_later(job_kit: JobKit) -> None:
    doors, failures = Doors("a", "b"), [failed(Wish.RETRY, HOUR)]

    async def script(asked: Asked) -> Answer:
        if asked.target is not None:
            await doors.through(asked.target)
            is_first = asked.target == "b" and asked.attempt == 0
            return [raised("b", Wish.RETRY, 2 * HOUR) if is_first else ran(asked.target)]
        if not asked.memos:
            return Round(AB, raced=["a", "b"])
        return failures.pop() if failures else Round([]) if len(asked.memos) == 1 else returned(asked)

    rig = Rig(job_kit, script)
    async with job_kit(rig.runner):
        handle = await rig.runner.enqueue(rig.flow)
        doors.open("a")
        await until(lambda: not failures)
        doors.open("b")
        await job_kit.advance("59m")
        assert (await handle.job()).status is Status.PENDING
        assert rig.remote.calls == ["? 0", "a 0", "b 0", "? 0"]
        await job_kit.advance("61m")
        assert (await handle.job()).status is Status.COMPLETED
    assert rig.remote.calls == ["? 0", "a 0", "b 0", "? 0", "? 1", "b 1", "? 0"]
