"""Durable handlers as users write them: what was done is not done again, and waits hold nothing."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from aiojobs_lite import (
    Backoff,
    InvalidOption,
    JobCancelled,
    JobContext,
    JobDead,
    JobHandle,
    JobRunner,
    ResultTimeout,
    Retry,
    Status,
    injected,
)
from aiojobs_lite.durable.step import Step
from aiojobs_lite.errors import QueueFull, StepFailed, StepMismatch, WrongEventLoop
from aiojobs_lite.handlers.event import Event
from aiojobs_lite.model.job import Held
from aiojobs_lite.testing import JobKit, context
from aiojobs_lite.testing.probe import claimed_of
from tests.helpers.kits import move_when_quiet

calls: Counter[str] = Counter()


@pytest.fixture(autouse=True)
def _forget() -> None:
    calls.clear()


async def fetch(number: int) -> dict[str, int]:
    calls["fetch"] += 1
    return {"number": number}


def plain(number: int) -> int:
    calls["plain"] += 1
    return number + 1


async def fails(times: int) -> str:
    calls["fails"] += 1
    if calls["fails"] <= times:
        raise ConnectionError("refused")
    return "done"


async def test_a_step_that_returned_does_not_run_again(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job(max_attempts=3, backoff=Backoff(base="1m"))
    async def handler(ctx: JobContext = injected) -> list[Any]:
        first = await ctx.step("fetch", fetch, 7)
        second = await ctx.step("plain", plain, number=first["number"])
        calls["handler"] += 1
        if calls["handler"] == 1:
            raise ConnectionError("after the steps")
        return [first, second]

    async with job_kit(runner):
        handle = await runner.enqueue(handler)
        await job_kit.run_to_end()
        assert await handle.result() == [{"number": 7}, 8]
    assert calls == {"fetch": 1, "plain": 1, "handler": 2}


async def test_a_name_that_repeats_is_counted(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job(backoff=Backoff(base="1m"))
    async def handler(ctx: JobContext = injected) -> list[int]:
        found = [await ctx.step("plain", plain, number) for number in range(3)]
        if ctx.attempt == 1 and calls["again"] == 0:
            calls["again"] += 1
            raise ConnectionError
        return found

    async with job_kit(runner):
        handle = await runner.enqueue(handler)
        await job_kit.run_to_end()
        assert await handle.result() == [1, 2, 3]
    assert calls["plain"] == 3


async def test_a_sleep_holds_no_slot_and_no_attempt(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:", max_running=1)

    @runner.job(max_attempts=1)
    async def sleeper(ctx: JobContext = injected) -> str:
        await ctx.step("plain", plain, 1)
        await ctx.sleep("cool-off", "3d")
        return "awake"

    @runner.job
    async def other() -> None:
        calls["other"] += 1

    async with job_kit(runner):
        handle = await runner.enqueue(sleeper)
        await job_kit.advance(1)
        job = await handle.job()
        assert (job.status, job.attempts) == (Status.PENDING, 0)
        await runner.enqueue(other)
        await job_kit.advance(1)
        assert calls == {"plain": 1, "other": 1}
        await job_kit.advance("3d")
        assert await handle.result() == "awake"
    assert calls["plain"] == 1


async def test_sleeps_side_by_side_end_with_the_longest(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job
    async def sleeper(ctx: JobContext = injected) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(ctx.sleep("short", "1h"))
            group.create_task(ctx.sleep("long", "2h"))
        calls["awake"] += 1

    async with job_kit(runner):
        await runner.enqueue(sleeper)
        await job_kit.advance("90m")
        assert calls["awake"] == 0
        await job_kit.advance("30m")
        assert calls["awake"] == 1


async def test_a_failing_step_is_tried_again_by_itself_and_costs_the_job_no_attempt(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job(max_attempts=1)
    async def handler(ctx: JobContext = injected) -> str:
        await ctx.step("plain", plain, 1)
        return await ctx.step(Step("fails", max_attempts=3, backoff=Backoff(base="1m")), fails, 2)

    async with job_kit(runner):
        handle = await runner.enqueue(handler)
        await job_kit.run_to_end()
        assert await handle.result() == "done"
        assert (await handle.job()).history == ()
    assert calls == {"plain": 1, "fails": 3}


async def test_a_step_that_fails_for_good_raises_at_its_place_each_time(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job(max_attempts=2, backoff=Backoff(base="1m"))
    async def handler(ctx: JobContext = injected) -> str:
        try:
            await ctx.step(Step("fails", max_attempts=2, backoff=Backoff(base="1m")), fails, 9)
        except StepFailed as error:
            caught = f"{error.name} {error.attempts} {error.error_type} {error.message}"
        calls["handler"] += 1
        if calls["handler"] == 1:
            raise ConnectionError
        return caught

    async with job_kit(runner):
        handle = await runner.enqueue(handler)
        await job_kit.run_to_end()
        assert await handle.result() == "fails 2 ConnectionError refused"
    assert calls["fails"] == 2


async def test_retry_in_a_step_says_when(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    async def asks() -> str:
        calls["asks"] += 1
        if calls["asks"] == 1:
            raise Retry("busy", after="10m")
        return "served"

    @runner.job(max_attempts=3)
    async def handler(ctx: JobContext = injected) -> str:
        return await ctx.step("asks", asks)

    async with job_kit(runner):
        handle = await runner.enqueue(handler)
        await job_kit.advance("9m")
        assert calls["asks"] == 1
        await job_kit.advance("1m")
        assert await handle.result() == "served"


async def test_a_name_that_means_another_kind_is_an_error(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job(max_attempts=2, backoff=Backoff(base="1m"))
    async def handler(ctx: JobContext = injected) -> str:
        if not calls["changed"]:
            await ctx.step("wait", plain, 1)
            calls["changed"] += 1
            raise ConnectionError
        try:
            await ctx.sleep("wait", "1h")
        except StepMismatch as error:
            return f"{error.was} {error.asked}"
        return ""

    async with job_kit(runner):
        handle = await runner.enqueue(handler)
        await job_kit.run_to_end()
        assert await handle.result() == "run sleep"


async def test_now_uuid_and_random_are_remembered(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job(backoff=Backoff(base="1m"))
    async def handler(ctx: JobContext = injected) -> None:
        found = str(await ctx.now()), str(await ctx.uuid()), str(await ctx.random())
        calls[" ".join(found)] += 1
        if sum(calls.values()) == 1:
            raise ConnectionError

    async with job_kit(runner):
        await runner.enqueue(handler)
        await job_kit.run_to_end()
    assert list(calls.values()) == [2]


async def test_an_event_ends_the_wait_for_it(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job
    async def handler(user_id: int, ctx: JobContext = injected) -> dict[str, Any]:
        reply = await ctx.wait_for_event("answered", "user/replied", match={"user_id": user_id}, timeout="7d")
        return reply.data if reply is not None else {}

    async with job_kit(runner):
        handle = await runner.enqueue(handler, 7)
        late = await runner.enqueue(handler, 8)
        await job_kit.advance(1)
        await runner.send("user/replied", {"user_id": 9})
        await job_kit.advance(1)
        assert (await handle.job()).status is Status.PENDING
        await runner.send("user/replied", {"user_id": 7, "text": "yes"})
        await job_kit.advance(1)
        assert await handle.result() == {"user_id": 7, "text": "yes"}
        await job_kit.advance("7d")
        assert await late.result() == {}


async def test_a_wait_without_a_limit_is_held(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job
    async def handler(ctx: JobContext = injected) -> str:
        reply = await ctx.wait_for_event("answered", "user/replied")
        return "" if reply is None else reply.name

    async with job_kit(runner):
        handle = await runner.enqueue(handler)
        await job_kit.advance(1)
        assert (await handle.job()).held is Held.EVENT
        await runner.send("user/replied")
        await job_kit.advance(1)
        assert await handle.result() == "user/replied"


async def test_an_event_that_came_before_the_wait_counts(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job
    async def handler(ctx: JobContext = injected) -> str:
        await ctx.sleep("first", "1h")
        reply = await ctx.wait_for_event("answered", "user/replied", timeout="1h")
        return "" if reply is None else reply.id

    async with job_kit(runner):
        handle = await runner.enqueue(handler)
        await job_kit.advance("1m")
        await runner.send("user/replied", id="early")
        await job_kit.advance("1h")
        assert await handle.result() == "early"


async def test_a_child_is_started_once_and_its_result_comes_back(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:", max_running=1)

    @runner.job
    async def child(number: int) -> int:
        calls["child"] += 1
        return number * 2

    @runner.job(backoff=Backoff(base="1m"))
    async def parent(ctx: JobContext = injected) -> list[int]:
        one = await ctx.invoke("one", child, 1)
        more = await ctx.gather("more", [child.bind(number) for number in (2, 3)])
        if not calls["parent"]:
            calls["parent"] += 1
            raise ConnectionError
        return [one, *more]

    async with job_kit(runner):
        handle = await runner.enqueue(parent)
        await job_kit.run_to_end()
        assert await handle.result() == [2, 4, 6]
    assert calls["child"] == 3


async def test_a_child_that_does_not_complete_raises_in_its_parent(
    job_kit: JobKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    move_when_quiet(monkeypatch)
    runner = JobRunner(":memory:", drain_timeout=0)

    @runner.job(max_attempts=1)
    async def child(how: str) -> None:
        if how == "late":
            await asyncio.get_running_loop().create_future()
        raise ConnectionError(how)

    @runner.job
    async def parent(ctx: JobContext = injected) -> list[str]:
        found = []
        try:
            await ctx.invoke("dead", child, "dead")
        except JobDead as error:
            found.append(f"{error.error}")
        try:
            await ctx.invoke("cancelled", child.using(delay="1d"), "later")
        except JobCancelled as error:
            found.append(f"{error.reason}")
        try:
            await ctx.invoke(Step("late", timeout="1h"), child, "late")
        except ResultTimeout as error:
            found.append(f"{error.timeout:g}")
        return found

    async with job_kit(runner):
        handle = await runner.enqueue(parent)
        await job_kit.advance(1)
        later = (await runner.jobs.list(type="child", status="pending"))[0]
        await runner.jobs.cancel(later.id, reason="not needed")
        await job_kit.advance("1h")
        assert await handle.result() == ["ConnectionError: dead", "not needed", "3600"]


async def test_an_event_starts_each_job_type_that_listens(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.on("user/signed.up")
    async def welcome(event: Event[dict[str, int]]) -> None:
        calls[f"welcome {event.data['user_id']} {event.id}"] += 1

    @runner.on("user/*", when=lambda event: event.data["user_id"] > 7)
    async def audit(event: Event[Any], ctx: JobContext = injected) -> None:
        calls[f"audit {event.name} {event.data['user_id']} {ctx.attempt}"] += 1

    async with job_kit(runner):
        sent = await runner.send("user/signed.up", {"user_id": 7}, id="signup-7")
        assert (sent.id, sent.is_new, len(sent.handles)) == ("signup-7", True, 1)
        assert not (await runner.send("user/signed.up", {"user_id": 7}, id="signup-7")).is_new
        await runner.send("user/gone", {"user_id": 8}, id="gone-8")
        await job_kit.advance(1)
        assert [event.id for event in await runner.events.list()] == ["gone-8", "signup-7"]
        (number, *_) = [event.number for event in await runner.events.list(name="user/signed.up")]
        await runner.events.replay(number, welcome)
        await job_kit.advance(1)
    assert calls == {"welcome 7 signup-7": 2, "audit user/gone 8 1": 1}


async def test_a_plain_function_has_no_durable_steps(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job(max_attempts=1)
    def handler(ctx: JobContext = injected) -> None:
        with pytest.raises(WrongEventLoop, match=r"Make it an `async def`; a step may be a plain function\.$"):
            ctx.step("fetch", fetch, 1).close()
        calls["refused"] += 1

    async with job_kit(runner):
        await (await runner.enqueue(handler)).result(timeout=5)
    assert calls["refused"] == 1


def test_a_context_without_a_runner_has_no_durable_steps() -> None:
    with pytest.raises(WrongEventLoop, match=r"no runner at hand, .*\. Durable steps need an `async def`\.$"):
        JobContext(claimed_of(context())).step("fetch", fetch, 1).close()


async def test_a_job_in_a_long_sleep_can_be_cancelled(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.job
    async def sleeper(ctx: JobContext = injected) -> None:
        await ctx.sleep_until("then", datetime(2100, 1, 1, tzinfo=UTC))

    async with job_kit(runner):
        handle = await runner.enqueue(sleeper)
        await job_kit.advance(1)
        await handle.cancel()
        assert (await handle.job()).status is Status.CANCELLED


async def test_a_branch_that_is_busy_keeps_the_attempt_and_the_wait_ends_in_it(
    job_kit: JobKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    move_when_quiet(monkeypatch)
    runner = JobRunner(":memory:")
    free = asyncio.Event()

    @runner.job
    async def handler(ctx: JobContext = injected) -> int:
        started = time.perf_counter()
        await asyncio.gather(free.wait(), ctx.sleep("short", "1h"))
        calls["handler"] += 1
        return int(time.perf_counter() - started < 60)

    async with job_kit(runner):
        handle = await runner.enqueue(handler)
        await job_kit.advance("1h")
        assert runner.stats().running == 1
        free.set()
        assert await handle.result(timeout=5) == 1
    assert calls["handler"] == 1


async def test_a_job_is_enqueued_once_by_name_and_each_attempt_is_given_its_handle(job_kit: JobKit) -> None:
    runner, handles = JobRunner(":memory:"), list[tuple[int, bool]]()

    @runner.job(max_pending=1)
    async def child(number: int) -> int:
        calls["child"] += 1
        return number

    @runner.job(max_attempts=3, backoff=Backoff(base="1m"))
    async def handler(ctx: JobContext = injected) -> int:
        handle = await ctx.enqueue_once("child", child.using(delay="1h"), 7)
        handles.append((handle.id, handle.is_new))
        if len(handles) < 3:
            raise ValueError("again")
        try:
            again = await ctx.enqueue_once("another", child, 8)
        except QueueFull:
            await ctx.sleep("until the first has run", "2h")
            raise AssertionError("it is not refused in the attempt after the sleep") from None
        return await handle.result() + await again.result()

    async with job_kit(runner):
        made = await runner.enqueue(handler)
        await job_kit.advance("3h")
        assert await made.result() == 15
    assert set(handles) == {(2, True)}
    assert calls["child"] == 2


async def test_what_an_operation_cannot_enqueue_is_refused(job_kit: JobKit) -> None:
    runner, problems = JobRunner(":memory:"), list[str]()

    @runner.job
    async def child(number: int) -> None: ...

    @runner.job(max_attempts=2, backoff=Backoff(base="1s"))
    async def handler(ctx: JobContext = injected) -> None:
        if not problems:
            await ctx.step("fetched", fetch, 1)
            wrong: list[Any] = [child.using(after=[await ctx.enqueue(child, 1)]), "child", child.bind(1)]
            for number, job in enumerate(wrong):
                with pytest.raises(InvalidOption) as caught:
                    await ctx.enqueue_once(f"wrong {number}", job, 1)
                problems.append(str(caught.value))
            raise ValueError("again")
        with pytest.raises(
            StepMismatch, match=r"'fetched' of job 1 is stored as a step \(done\), and the handler asks for a job"
        ):
            await ctx.enqueue_once("fetched", child, 1)

    async with job_kit(runner):
        made = await runner.enqueue(handler)
        await job_kit.advance("1m")
        await made.result()
    assert "no `after` for a job that an operation starts; wait for the others first, by `ctx.invoke`" in problems[0]
    assert "a job type; by name it is `enqueue_named(name, ...)`" in problems[1]
    assert "bound jobs are enqueued together" in problems[2]


async def test_what_is_refused_is_asked_for_again_by_its_name_and_done_once(job_kit: JobKit) -> None:
    """With another name it was started once more by the replay, which asks for the first name first."""
    runner = JobRunner(":memory:")
    blockers: list[JobHandle[Any]] = []

    @runner.job(max_pending=1, on_full="wait")
    async def child(number: int) -> int:
        calls["child"] += 1
        return number

    @runner.on("user/new", max_pending=1)
    async def listener(event: Event[Any]) -> None:
        calls["listener"] += 1

    async def again(start: Callable[[], Awaitable[Any]]) -> Any:
        for _ in range(2):
            try:
                return await start()
            except QueueFull:
                calls["full"] += 1
                await blockers.pop(0).cancel()
        raise AssertionError

    @runner.job(max_attempts=1)
    async def parent(ctx: JobContext = injected) -> int:
        number: int = await again(lambda: ctx.invoke("child", child, 7))
        await again(lambda: ctx.send("send", "user/new", {"n": 1}))
        await ctx.sleep("sleep", "1m")
        return number

    async with job_kit(runner):
        blockers.append(await runner.enqueue(child.using(delay="1h"), 1))
        await runner.types.pause("listener")
        blockers += (await runner.send("user/new", {"n": 0})).handles
        handle = await runner.enqueue(parent)
        await job_kit.advance(1)
        await runner.types.resume("listener")
        await job_kit.run_to_end()
        assert await handle.result() == 7
        assert len(await runner.events.list(name="user/new")) == 2
    assert calls == {"full": 2, "child": 1, "listener": 1}


async def test_operations_that_run_side_by_side_count_before_they_have_ended(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    async def run() -> None:
        calls["run"] += 1

    @runner.job(max_attempts=1)
    async def handler(ctx: JobContext = injected) -> None:
        await asyncio.gather(*[ctx.step(f"step {number}", run) for number in range(1_001)])

    async with job_kit(runner):
        handle = await runner.enqueue(handler)
        await job_kit.run_to_end()
        job = await handle.job()
        assert (job.error or "").startswith("TooManySteps: 'step 1000' of job 1 would be operation 1,001")
    assert calls["run"] == 1_000
