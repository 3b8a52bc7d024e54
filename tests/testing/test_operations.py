"""What the testing kit does to durable handlers: steps replaced and looked at, events asserted, crashes."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import pytest

from aiojobs_lite import Backoff, InvalidOption, JobContext, JobRunner, Jobs, Outcome, Status, injected
from aiojobs_lite.errors import StepFailed
from aiojobs_lite.events import Event
from aiojobs_lite.runner import walks
from aiojobs_lite.steps import Step
from aiojobs_lite.testing import JobKit, JobsNotFinished, NotReplaced

effects: Counter[str] = Counter()
jobs = Jobs()


@pytest.fixture(autouse=True)
def _forget() -> None:
    effects.clear()


async def charge(order: int) -> str:
    effects["charge"] += 1
    return f"payment-{order}"


def receipt(payment: str, *, copies: int = 1) -> int:
    effects["receipt"] += 1
    return copies


async def refund(payment: str) -> None:
    effects["refund"] += 1


def application() -> tuple[JobRunner, Any]:
    runner = JobRunner(":memory:")

    @runner.job(max_attempts=2, backoff=Backoff(base="1m"))
    async def buy(order: int, *, ctx: JobContext = injected) -> str:
        payment = await ctx.step("charge", charge, order)
        try:
            await ctx.step(Step("receipt", max_attempts=3), receipt, payment, copies=2)
        except StepFailed:
            await ctx.step("refund", refund, payment)
        return payment

    return runner, buy


# Steps replaced.


async def test_a_value_stands_in_place_of_a_step(job_kit: JobKit) -> None:
    runner, buy = application()
    job_kit.replace_step("charge", "payment-x")
    async with job_kit(runner):
        handle = await runner.enqueue(buy, 7)
        await job_kit.run_to_end()
        assert await handle.result() == "payment-x"
    assert effects == {"receipt": 1}


async def sleeps(ctx: JobContext) -> None:
    await ctx.sleep("other", "1h")


async def waits(ctx: JobContext) -> None:
    await ctx.wait_for_event("other", "e", timeout="1h")


async def invokes(ctx: JobContext) -> None:
    await ctx.invoke("other", later)


async def enqueues(ctx: JobContext) -> None:
    await ctx.enqueue_once("other", later)


async def sends(ctx: JobContext) -> None:
    await ctx.send("other", "e")


@jobs.job
async def later() -> None: ...


@pytest.mark.parametrize("operation", [sleeps, waits, invokes, enqueues, sends])
@pytest.mark.parametrize("name", ["other", "other#1", "other#2"])
async def test_what_stands_in_place_of_no_step_is_an_error(job_kit: JobKit, operation: Any, name: str) -> None:
    runner = JobRunner(":memory:")
    runner.register(later)

    @runner.job(max_attempts=2)
    async def handler(ctx: JobContext = injected) -> None:
        await operation(ctx)

    job_kit.replace_step(name, 7)
    async with job_kit(runner):
        handle = await runner.enqueue(handler)
        if name == "other#2":
            await job_kit.run_to_end()
            assert (await handle.job()).status is Status.COMPLETED
            return
        with pytest.raises(NotReplaced, match=r"replaces nothing: 'other' of 'handler' is no `ctx\.step\(\.\.\.\)`"):
            await job_kit.run_to_end()
        error = str((await handle.job()).error)
        assert "NotReplaced" in error
        assert "replace the steps of the job that is started; or answer all of them by testing.context" in error


async def test_what_has_stood_in_as_often_as_it_was_to_is_no_error(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job
    async def handler(ctx: JobContext = injected) -> str:
        found = await ctx.step("other", charge, 7)
        await ctx.sleep("other", "1h")
        return found

    job_kit.replace_step("other", "replaced", times=1)
    async with job_kit(runner):
        handle = await runner.enqueue(handler)
        await job_kit.run_to_end()
        assert await handle.result() == "replaced"


async def test_an_exception_stands_in_place_of_a_step(job_kit: JobKit) -> None:
    runner, buy = application()
    job_kit.replace_step("receipt", ConnectionError)
    async with job_kit(runner):
        handle = await runner.enqueue(buy, 7)
        await job_kit.run_to_end()
        assert await handle.result() == "payment-7"
    assert effects == {"charge": 1, "refund": 1}
    assert [type(ran.error) for ran in job_kit.steps] == [type(None), *[ConnectionError] * 3, type(None)]


@pytest.mark.parametrize("is_async", [True, False])
async def test_a_function_stands_in_place_of_a_step(job_kit: JobKit, is_async: bool) -> None:
    runner, buy = application()
    taken = []

    async def in_its_place(*args: object, **kwargs: object) -> int:
        return plain(*args, **kwargs)

    def plain(*args: object, **kwargs: object) -> int:
        taken.append((args, kwargs))
        return 5

    job_kit.replace_step("receipt", in_its_place if is_async else plain)
    async with job_kit(runner):
        await runner.enqueue(buy, 7)
        await job_kit.run_to_end()
    assert taken == [(("payment-7",), {"copies": 2})]
    assert job_kit.assert_step("receipt").result == 5


async def test_something_stands_in_place_of_a_step_for_so_many_runs(job_kit: JobKit) -> None:
    runner, buy = application()
    job_kit.replace_step("receipt", ValueError("always"))
    job_kit.replace_step("receipt", ConnectionError("refused"), times=2)
    job_kit.replace_step("receipt", OSError("first"), times=1)
    async with job_kit(runner):
        await runner.enqueue(buy, 7)
        await job_kit.run_to_end()
    assert [str(ran.error) for ran in job_kit.steps if ran.name == "receipt"] == ["first", "refused", "refused"]
    assert effects["refund"] == 1


async def test_one_use_of_a_name_is_replaced(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job
    async def handler(ctx: JobContext = injected) -> list[str]:
        return [await ctx.step("charge", charge, number) for number in range(4)]

    job_kit.replace_step("charge#1", "first")
    job_kit.replace_step("charge#3", "third")
    async with job_kit(runner):
        handle = await runner.enqueue(handler)
        await job_kit.run_to_end()
        assert await handle.result() == ["first", "payment-1", "third", "payment-3"]
    assert [ran.name for ran in job_kit.steps] == ["charge", "charge#2", "charge#3", "charge#4"]
    assert job_kit.assert_step("charge", times=4).result == "payment-3"
    assert job_kit.assert_step("charge#3", times=1).result == "third"
    assert effects == {"charge": 2}


@pytest.mark.parametrize("name", ["", "a#", "#2", "a#0", "a#b", "a#1#2", "x" * 201, 7])
async def test_a_name_that_no_operation_can_have_is_refused(job_kit: JobKit, name: Any) -> None:
    for call in (job_kit.crash_after, job_kit.assert_step, job_kit.refute_step):
        with pytest.raises(InvalidOption, match=r"^name="):
            call(name)
    with pytest.raises(InvalidOption, match=r"^name="):
        job_kit.replace_step(name, 1)
    with pytest.raises(InvalidOption, match=r"^times=0"):
        job_kit.replace_step("a", 1, times=0)


def test_that_a_step_ran_no_times_is_not_asserted_but_refuted(job_kit: JobKit) -> None:
    with pytest.raises(InvalidOption) as caught:
        job_kit.assert_step("x", times=0)
    assert str(caught.value) == "times=0: expected 1 or more; refute_step(name) checks that a step did not run."
    job_kit.refute_step("x")


# Steps looked at.


async def test_the_runs_of_steps_are_kept_and_a_replay_is_none(job_kit: JobKit) -> None:
    runner, buy = application()
    async with job_kit(runner):
        handle = await runner.enqueue(buy, 7)
        await job_kit.run_to_end()
        first, second = job_kit.steps
        assert (first.job, first.type, first.name) == (handle.id, "buy", "charge")
        assert (first.args, first.result, first.error) == ((7,), "payment-7", None)
        assert (second.name, second.args, second.kwargs, second.result) == ("receipt", ("payment-7",), {"copies": 2}, 2)
        assert str(second) == "receipt of buy job 1 returned 2"
        job_kit.assert_step("charge", times=1)
        job_kit.refute_step("refund")


async def test_the_error_says_which_steps_ran(job_kit: JobKit) -> None:
    with pytest.raises(AssertionError, match=r"^step 'charge': it did not run. Steps that ran: none$"):
        job_kit.assert_step("charge")
    runner, buy = application()
    job_kit.replace_step("receipt", ConnectionError("refused"), times=1)
    async with job_kit(runner):
        await runner.enqueue(buy, 7)
        await job_kit.run_to_end()
    ran = (
        "\n  charge of buy job 1 returned 'payment-7'\n  receipt of buy job 1 raised ConnectionError('refused')"
        "\n  receipt of buy job 1 returned 2"
    )
    with pytest.raises(AssertionError) as error:
        job_kit.assert_step("receipt", times=1)
    assert str(error.value) == f"step 'receipt': expected to run 1 times, it ran 2 times. Steps that ran:{ran}"
    with pytest.raises(AssertionError) as error:
        job_kit.refute_step("charge")
    assert str(error.value) == f"step 'charge' ran. Steps that ran:{ran}"


# The clock.


async def test_run_to_end_passes_sleeps_time_outs_and_waits_of_steps(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job(max_attempts=1)
    async def child(ctx: JobContext = injected) -> str:
        await ctx.sleep("long", "30d")
        return f"{await ctx.now():%d %b}"

    @runner.job(max_attempts=1)
    async def parent(ctx: JobContext = injected) -> list[Any]:
        await ctx.sleep("first", "7d")
        reply = await ctx.wait_for_event("answered", "user/replied", timeout="7d")
        return [reply, await ctx.invoke("child", child), f"{await ctx.now():%d %b}"]

    async with job_kit(runner):
        handle = await runner.enqueue(parent)
        await job_kit.run_to_end()
        assert await handle.result() == [None, "14 Feb", "14 Feb"]


async def test_run_to_end_passes_a_sleep_beside_a_branch_that_waits_for_a_job(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job
    async def later() -> int:
        return 1

    @runner.job(max_attempts=1)
    async def handler(ctx: JobContext = injected) -> str:
        await asyncio.gather(ctx.sleep("long", "2d"), job.result())
        return f"{await ctx.now():%d %b}"

    async with job_kit(runner):
        job = await runner.enqueue(later.using(delay="1d"))
        handle = await runner.enqueue(handler)
        await job_kit.run_to_end()
        assert await handle.result() == "03 Jan"


async def test_run_to_end_gives_a_step_that_hangs_its_time_out(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job(max_attempts=1)
    async def handler(ctx: JobContext = injected) -> None:
        await ctx.step(Step("hangs", timeout="1h", max_attempts=1), asyncio.Event().wait)

    async with job_kit(runner):
        handle = await runner.enqueue(handler)
        await job_kit.run_to_end()
        assert "step 'hangs' took longer than 1h" in str((await handle.job()).error)


async def test_a_wait_that_nothing_ends_is_not_finished(job_kit: JobKit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walks, "PAGE_S", -1)  # so that pages are short before the list ends
    monkeypatch.setattr(walks, "FIRST_LOOKS", 1)
    runner = JobRunner(":memory:")

    @runner.job
    async def handler(ctx: JobContext = injected) -> None:
        await ctx.wait_for_event("answered", "user/replied")

    async with job_kit(runner):
        await runner.enqueue(handler)
        await runner.enqueue(handler)
        with pytest.raises(JobsNotFinished, match="job 1 of handler"):
            await job_kit.run_to_end()
        await runner.send("user/replied")
        await job_kit.run_to_end()


# Events.


async def test_events_that_were_sent_are_found(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.on("user/left", max_attempts=1)
    async def handler(event: Event[dict[str, int]], ctx: JobContext = injected) -> None:
        await ctx.send("tell", "org/smaller", {"org": 3, "left": [event.data["user_id"]]}, id="x")

    async with job_kit(runner):
        await runner.send("user/left", {"user_id": 7}, id="left-7")
        await runner.send("user/left", {"user_id": 7}, id="left-7")  # it is there
        await job_kit.run_to_end()
    assert [(event.name, event.id) for event in job_kit.sent] == [("user/left", "left-7"), ("org/smaller", "x")]
    found = job_kit.assert_sent("org/smaller", left=[7])
    assert found.data == {"org": 3, "left": [7]}
    assert f"{found.sent_at:%d %b}" == "01 Jan"
    job_kit.refute_sent("org/smaller", left=[8])
    job_kit.refute_sent("org/bigger")
    job_kit.assert_enqueued("handler")  # the listener's


async def test_the_error_says_what_was_sent(job_kit: JobKit) -> None:
    with pytest.raises(AssertionError, match=r"^user/left\(user_id=7\) was not sent\. Nothing was\.$"):
        job_kit.assert_sent("user/left", user_id=7)
    async with job_kit() as runner:
        await runner.send("user/left", {"user_id": 8})
        await runner.send("user/came", {"user_id": 9})
    with pytest.raises(AssertionError) as error:
        job_kit.assert_sent("user/came", user_id=7)
    assert str(error.value) == (
        "user/came(user_id=7) was not sent. Sent were:\n  user/came(user_id=9)\n  user/left(user_id=8)"
    )
    with pytest.raises(AssertionError, match=r"^user/left\(\) was sent:\n  user/left\(user_id=8\)$"):
        job_kit.refute_sent("user/left")


async def test_jobs_of_events_and_children_are_among_the_enqueued(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job
    async def child(number: int) -> int:
        return number

    @runner.on("user/came")
    async def listener(event: Event[dict[str, int]], ctx: JobContext = injected) -> None:
        await ctx.gather("children", [child.bind(number) for number in (4, 5)])
        await ctx.enqueue_once("another", child, 6)

    async with job_kit(runner):
        await runner.send("user/came", {"user_id": 7})
        await job_kit.run_to_end()
    assert [job.type for job in job_kit.enqueued] == ["listener", "child", "child", "child"]
    job_kit.assert_enqueued(child, number=5)
    job_kit.assert_enqueued(child, number=6)


# Crashes.


@pytest.mark.parametrize(("name", "effect"), [("charge", "charge"), ("receipt", "receipt")])
async def test_a_run_stops_behind_a_step_and_another_goes_on(job_kit: JobKit, name: str, effect: str) -> None:
    runner, buy = application()
    job_kit.crash_after(name)
    async with job_kit(runner):
        handle = await runner.enqueue(buy, 7)
        await runner.run_until_idle()
    assert [ran.name for ran in job_kit.steps][-1] == name
    assert effects[effect] == 1
    async with job_kit(runner):
        await job_kit.run_to_end()
        job = await runner.jobs.get(handle.id)
        assert (job.status, job.result, job.crashes) == (Status.COMPLETED, "payment-7", 1)
    assert effects == {"charge": 1, "receipt": 1}
    job_kit.assert_step("charge", times=1)


async def test_a_crash_that_never_came_about_fails_the_test_at_its_end() -> None:
    runner, buy = application()
    kit = JobKit()
    kit.crash_after("charged#2")
    async with kit(runner):
        await runner.enqueue(buy, 7)
        await kit.run_to_end()
    with pytest.raises(AssertionError) as error:
        kit.close()
    assert str(error.value) == (
        "crash_after('charged#2') made no crash: no operation of that name has ended in a runner of this test. "
        "Steps that ran:\n  charge of buy job 1 returned 'payment-7'\n  receipt of buy job 1 returned 2"
    )
    kit.close()  # it is said once


def test_another_error_is_not_hidden_by_a_crash_that_never_came_about() -> None:
    def failing() -> None:
        with JobKit() as kit:
            kit.crash_after("charge")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        failing()


async def test_run_to_end_ends_with_the_crash(job_kit: JobKit) -> None:
    runner, buy = application()
    job_kit.crash_after("charge")
    async with job_kit(runner):
        await runner.enqueue(buy, 7)
        await job_kit.run_to_end()
        await job_kit.advance("1h")
    assert effects == {"charge": 1}


async def test_a_run_stops_behind_the_nth_use(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job
    async def handler(ctx: JobContext = injected) -> list[str]:
        return [await ctx.step("charge", charge, number) for number in range(4)]

    job_kit.crash_after("charge#3")
    async with job_kit(runner):
        await runner.enqueue(handler)
        await job_kit.run_to_end()
    job_kit.assert_step("charge", times=3)
    async with job_kit(runner):
        await job_kit.run_to_end()
    job_kit.assert_step("charge", times=4)


@pytest.mark.parametrize("name", ["nap", "answered", "child", "tell"])
async def test_a_run_stops_behind_each_kind_of_operation(job_kit: JobKit, name: str) -> None:
    runner, seen = JobRunner(":memory:"), list[str]()

    @runner.job
    async def child() -> int:
        effects["child"] += 1
        return 1

    @runner.job
    async def handler(ctx: JobContext = injected) -> None:
        seen.append("nap")
        await ctx.sleep("nap", "1d")
        seen.append("answered")
        await ctx.wait_for_event("answered", "user/replied")
        seen.append("child")
        await ctx.invoke("child", child)
        seen.append("tell")
        await ctx.send("tell", "org/smaller")
        seen.append("end")

    job_kit.crash_after(name)
    async with job_kit(runner):
        handle = await runner.enqueue(handler)
        await runner.send("user/replied")
        await job_kit.run_to_end()
    assert seen[-1] in {name, "nap"}  # a handler that is suspended begins anew
    assert "end" not in seen
    async with job_kit(runner):
        await job_kit.run_to_end()
        job = await runner.jobs.get(handle.id)
        assert job.status is Status.COMPLETED
        assert [one.outcome for one in job.history] == [Outcome.LOST]  # `crashes` counts from the latest operation
    assert seen[-1] == "end"
    assert effects == {"child": 1}
    assert [event.name for event in job_kit.sent] == ["user/replied", "org/smaller"]


async def test_a_step_that_is_stopped_by_a_crash_is_a_run_of_it(job_kit: JobKit) -> None:
    runner, buy = application()
    job_kit.replace_step("receipt", job_kit_crash(job_kit), times=1)
    async with job_kit(runner):
        await runner.enqueue(buy, 7)
        await runner.run_until_idle()
    assert isinstance(job_kit.assert_step("receipt", times=1).error, asyncio.CancelledError)
    async with job_kit(runner):
        await job_kit.run_to_end()
    job_kit.assert_step("receipt", times=2)
    assert effects == {"charge": 1, "receipt": 1}


def job_kit_crash(job_kit: JobKit) -> Any:
    async def crashes(*_args: object, **_kwargs: object) -> None:
        await job_kit.crash()

    return crashes
