"""A durable handler that a test calls itself: its operations work without a runner, and the test answers its waits."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel

from aiojobs_lite import Abandon, Backoff, InvalidOption, JobCancelled, JobContext, JobDead, JobRunner, injected, job
from aiojobs_lite.errors import InvalidEvent, StepFailed, StepNotStored, WrongEventLoop
from aiojobs_lite.events import Event
from aiojobs_lite.steps import Step
from aiojobs_lite.testing import JobKit, NotAnswered, RunnerNotGiven, context


class Payment(BaseModel):
    order: int


class Reply(BaseModel):
    text: str
    order: int | None = None


@job(max_attempts=2)
async def square(number: int) -> int:
    return number * number


@job(max_attempts=3, backoff=Backoff(base="1m"))
async def buy(order: int, *, ctx: JobContext = injected) -> str:
    payment = await ctx.step("charge", charge, order)
    await ctx.sleep("cool-off", "3d")
    reply = await ctx.wait_for_event("answer", "user/replied", data=Reply, match={"order": order}, timeout="7d")
    await ctx.send("tell", "order/done", {"order": payment.order})
    return f"{payment.order} {'late' if reply is None else reply.data.text} {await ctx.now():%d %b}"


def charge(order: int) -> Payment:
    return Payment(order=order)


async def test_steps_run_sleeps_pass_and_waits_are_answered() -> None:
    ctx = context(buy, answers={"answer": {"text": "yes"}})
    assert await buy(7, ctx=ctx) == "7 yes 04 Jan"
    assert [(ran.name, ran.args, ran.result) for ran in ctx.steps] == [("charge", (7,), Payment(order=7))]
    assert [(event.name, event.data) for event in ctx.sent] == [("order/done", {"order": 7})]


async def test_an_event_that_does_not_come_takes_its_time() -> None:
    assert await buy(7, ctx=context(buy, answers={"answer": None, "charge": Payment(order=8)})) == "8 late 11 Jan"


async def test_no_wait_is_over_while_a_step_runs() -> None:
    ended: list[str] = []

    async def takes_long() -> None:
        for _ in range(50):  # turns of the event loop
            await asyncio.sleep(0)
        ended.append("step")

    async def naps(ctx: JobContext) -> None:
        await ctx.sleep("nap", "1h")
        ended.append("nap")

    ctx = context()
    await asyncio.gather(naps(ctx), ctx.step("long", takes_long))
    assert ended == ["step", "nap"]


async def test_an_answer_is_an_event_a_model_a_function_or_an_exception() -> None:
    ctx = context()
    event = Event[Any](id="x", name="user/replied", data={"text": "no"}, sent_at=await ctx.now())
    for answer in (event, Reply(text="no"), lambda: Reply(text="no")):
        assert await buy(7, ctx=context(buy, answers={"answer": answer})) == "7 no 04 Jan"
    with pytest.raises(ZeroDivisionError):
        await buy(7, ctx=context(buy, answers={"answer": ZeroDivisionError("boom")}))


async def test_a_step_that_fails_is_tried_again_at_once_as_often_as_it_may_be() -> None:
    for step, runs in ((Step("charge"), 3), (Step("charge", max_attempts=2), 2)):
        ctx = context(buy, answers={"charge": ConnectionError("refused")})
        with pytest.raises(StepFailed, match="ConnectionError: refused"):
            await ctx.step(step, charge, 7)
        assert len(ctx.steps) == runs
        with pytest.raises(StepFailed, match="after 1 attempt: Abandon: bad input"):
            await ctx.step("charge it", raises_abandon)


def raises_abandon() -> None:
    raise Abandon("bad input")


async def test_the_results_of_jobs_are_answered() -> None:
    async def parent(ctx: JobContext) -> list[Any]:
        one = await ctx.invoke("one", square, 3)
        return [one, *await ctx.gather("many", [square.bind(number) for number in range(3)])]

    assert await parent(context(answers={"one": 9, "many": square})) == [9, 0, 1, 4]
    assert await parent(context(answers={"one": 9, "many#1": 5, "many": lambda number: number})) == [9, 5, 1, 2]
    for error in (JobDead(3, "used up", "ValueError: no"), JobCancelled(3, "gone")):
        with pytest.raises(type(error)):
            await parent(context(answers={"one": error}))


async def test_what_is_not_answered_is_said() -> None:
    with pytest.raises(NotAnswered) as error:
        await buy(7, ctx=context(buy))
    assert error.value.name == "answer"
    assert str(error.value) == (
        "'answer' has no answer: it waits for 'user/replied'. Give one to testing.context(answers={'answer': ...}): "
        "the data of the event, or None: it does not come."
    )
    with pytest.raises(
        NotAnswered, match=r"it starts 'square'.*: what the job returns, or an exception that the handler gets"
    ):
        await context().invoke("one", square, 3)


async def test_a_wait_for_ever_is_over_if_the_event_does_not_come() -> None:
    assert await context(answers={"answer": None}).wait_for_event("answer", "user/replied") is None


async def test_branches_side_by_side() -> None:
    ctx, going = context(), asyncio.Event()

    async def slow() -> str:
        await going.wait()
        return "slow"

    async def nap(name: str, duration: str) -> str:
        await ctx.sleep(name, duration)
        return f"{await ctx.now():%H:%M}"

    async with asyncio.TaskGroup() as group:
        naps = [group.create_task(nap(*given)) for given in (("long", "2h"), ("short", "1h"))]
        step = group.create_task(ctx.step(Step("slow", timeout="1m"), slow))
        going.set()
    assert ([one.result() for one in naps], step.result()) == (["02:00", "01:00"], "slow")


async def test_the_same_rules_as_in_a_runner() -> None:
    ctx = context()
    assert [await ctx.step("square", lambda: 4) for _ in range(2)] == [4, 4]
    assert [ran.name for ran in ctx.steps] == ["square", "square#2"]
    with pytest.raises(StepNotStored):
        await ctx.step("odd", object)
    with pytest.raises(InvalidOption, match=r"^name="):
        await ctx.sleep("a#2", "1h")
    with pytest.raises(InvalidOption, match=r"^duration="):
        await ctx.sleep("a", "soon")
    with pytest.raises(InvalidEvent):
        await ctx.send("tell", "order/done", [1])
    with pytest.raises(InvalidOption, match=r"^job="):
        await ctx.invoke("one", len)  # type: ignore[arg-type]  # the mistake
    with pytest.raises(InvalidOption, match=r"^jobs\[0\]="):
        await ctx.gather("many", [square])  # type: ignore[arg-type]  # the mistake
    assert await ctx.uuid() != await ctx.uuid()
    assert 0 <= await ctx.random() < 1


async def test_a_plain_function_has_none() -> None:
    @job
    def plain(ctx: JobContext = injected) -> None:
        ctx.sleep("a", "1h").close()

    with pytest.raises(WrongEventLoop, match="has no durable steps"):
        plain(context(plain))


async def test_answers_that_cannot_be_are_refused() -> None:
    wrong: list[Any] = [[], {"": 1}, {"a#0": 1}, {7: 1}]
    for answers in wrong:
        with pytest.raises(InvalidOption, match=r"^(answers|name)="):
            context(answers=answers)
    with pytest.raises(InvalidOption, match=r"^answers=7: expected a dict of names of operations and what they answer"):
        context(answers=7)  # type: ignore[arg-type]  # the mistake


async def test_a_started_runner_takes_the_jobs_that_are_enqueued(job_kit: JobKit) -> None:
    async with job_kit(JobRunner(":memory:", jobs=[square]), run=False) as runner:
        ctx = context(runner=runner)
        await ctx.enqueue(square, 3)
        assert (await ctx.enqueue_once("further", square, 4)).is_new
        assert await ctx.step("one", square.handler, 3) == 9
    job_kit.assert_enqueued(square, number=3)
    job_kit.assert_enqueued(square, number=4)
    calls: list[Callable[[], Any]] = [
        lambda: context().enqueue(square, 4),
        lambda: context().enqueue_threadsafe(square, 4),
        context().batch,
    ]
    for call in calls:
        with pytest.raises(RunnerNotGiven, match=r"^the context of this test has no runner\. .*runner=runner\) inside"):
            call()
    with pytest.raises(RunnerNotGiven):
        await context().enqueue_once("further", square, 4)
