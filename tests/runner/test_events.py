"""Sending events, and looking at those that were sent."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite import (
    Backoff,
    Cancel,
    InvalidOption,
    JobCancelled,
    JobContext,
    JobRunner,
    Jobs,
    JobType,
    UnknownJobType,
    injected,
)
from aiojobs_lite.errors import EventNotFound, InvalidEvent
from aiojobs_lite.events import Event, EventToSend, On
from aiojobs_lite.flow import Batch
from aiojobs_lite.model.events import DELIVERED_AT_ONCE
from aiojobs_lite.model.job import Held
from aiojobs_lite.runner.events import LONGEST_EVENT_ID_CHARS, MOST_EVENTS
from aiojobs_lite.sizes import LARGEST_PAYLOAD_BYTES
from aiojobs_lite.telemetry.facts import EventSent, JobBecameCancelled
from aiojobs_lite.testing import JobKit
from tests.helpers.waiting import until


def listening() -> tuple[JobRunner, list[Any]]:
    """A runner with a listener, and what that was given."""
    runner, given, _ = with_listener()
    return runner, given


def with_listener() -> tuple[JobRunner, list[Any], JobType[..., Any]]:
    """The same, and the listener itself."""
    runner, given = JobRunner(":memory:"), list[Any]()

    @runner.on("user/*")
    async def listener(event: Event[Any]) -> None:
        given.append(event.data)

    return runner, given, listener


async def test_many_events_are_sent_together_in_their_order(job_kit: JobKit) -> None:
    runner, given = listening()
    async with job_kit(runner):
        facts = runner.watch()
        sent = await runner.events.send_many(
            [EventToSend("user/a", {"n": 1}, "one"), EventToSend("b"), EventToSend("b")]
        )
        assert [(one.is_new, len(one.handles)) for one in sent] == [(True, 1), (True, 0), (True, 0)]
        assert len({one.id for one in sent}) == 3
        await job_kit.advance(1)
        (first, *_) = [fact for fact in facts.take() if isinstance(fact, EventSent)]
        assert first == EventSent("user/a", "one", 1, 0, 0)
    assert given == [{"n": 1}]


async def test_a_repeat_has_the_handles_of_the_jobs_that_the_first_one_started(job_kit: JobKit) -> None:
    runner, given, listener = with_listener()
    async with job_kit(runner):
        first = await runner.send("user/a", {"n": 1}, id="one")
        await runner.enqueue(listener, Event[Any](id="one", name="user/a", data={"n": 1}, sent_at=datetime.now(UTC)))
        other, again = await runner.events.send_many([EventToSend("user/b", {"n": 2}), EventToSend("user/a", id="one")])
        assert [(one.is_new, [handle.id for handle in one.handles]) for one in (first, other, again)] == [
            (True, [1]), (True, [3]), (False, [1]),
        ]  # fmt: skip
        assert not again.handles[0].is_new
        assert await again.handles[0].result() is None
        await runner.jobs.delete(1)
        assert (await runner.send("user/a", {"n": 1}, id="one")).handles == ()
    assert {"n": 1} in given


async def test_events_are_listed_in_pages_and_read_by_their_number(job_kit: JobKit) -> None:
    runner, _ = listening()
    async with job_kit(runner):
        await runner.events.send_many([EventToSend(name, {"n": n}) for n, name in enumerate(["a", "b", "a"])])
        newest = await runner.events.list(limit=1)
        assert [one.data_json for one in newest] == ['{"n":2}']
        assert [one.name for one in await runner.events.list(before=newest[0])] == ["b", "a"]
        assert [one.data_json for one in await runner.events.list(name="a")] == ['{"n":2}', '{"n":0}']
        assert await runner.events.get(newest[0].number) == newest[0]
        with pytest.raises(EventNotFound):
            await runner.events.get(99)


@pytest.mark.parametrize("data", [7, "text", [1], {"a": object()}, {"a": (1,)}, {"a": "x" * LARGEST_PAYLOAD_BYTES}])
async def test_data_that_cannot_be_stored_are_refused(data: Any, job_kit: JobKit) -> None:
    runner, _ = listening()
    async with job_kit(runner):
        with pytest.raises(InvalidEvent, match=r"^event 'user/a' was not sent: (its )?data"):
            await runner.send("user/a", data)
        assert await runner.events.list() == []


async def test_what_is_no_event_is_refused(job_kit: JobKit) -> None:
    runner, _ = listening()
    async with job_kit(runner):
        for events in ([], [EventToSend("a")] * (MOST_EVENTS + 1), ["user/a"]):
            with pytest.raises(InvalidOption, match=r"^events="):
                await runner.events.send_many(events)  # type: ignore[arg-type]  # no events at all
        with pytest.raises(InvalidOption, match=r"^id="):
            await runner.send("user/a", id="x" * (LONGEST_EVENT_ID_CHARS + 1))


async def test_what_is_expected_instead_is_said(job_kit: JobKit) -> None:
    runner, _, listener = with_listener()
    async with job_kit(runner):
        with pytest.raises(InvalidOption, match=r"1 to 5,000 events, each an EventToSend\(name, data\)\.$"):
            await runner.events.send_many([])
        with pytest.raises(InvalidOption, match=r"expected an event of the page before, as events\.list\(\) gives it"):
            await runner.events.list(before=listener)  # type: ignore[arg-type]  # what is tested
        with pytest.raises(InvalidOption, match=r"expected a job type that listens to events, made by `on\(\.\.\.\)`"):
            await runner.events.replay(1, _nothing)  # type: ignore[arg-type]  # what is tested
        with pytest.raises(InvalidEvent, match=r"its data have 262,152 bytes, at most 262,144 are stored\. Store"):
            await runner.send("a", {"a": "x" * LARGEST_PAYLOAD_BYTES})


async def test_an_event_is_replayed_to_listeners_of_this_runner_alone(job_kit: JobKit) -> None:
    runner, given, listener = with_listener()
    deaf = runner.job(_nothing)
    async with job_kit(runner):
        await runner.send("b", {"n": 1})
        (event,) = await runner.events.list()
        await runner.events.replay(event.number, listener)
        await job_kit.advance(1)
        assert given == [{"n": 1}]
        with pytest.raises(InvalidOption, match=r"^job_type="):
            await runner.events.replay(event.number, deaf)
        with pytest.raises(UnknownJobType):
            await runner.events.replay(event.number, JobRunner(":memory:").on("b")(_stranger))


async def test_a_listener_that_its_sender_did_not_know_gets_an_event_that_came_before_its_runner(
    database: Path,
) -> None:
    def program() -> tuple[JobRunner, JobType[..., str]]:
        runner = JobRunner(database)

        @runner.on("user/invited")
        async def invite(event: Event[dict[str, int]], ctx: JobContext = injected) -> str:
            reply = await ctx.wait_for_event("answer", "user/replied", match={"id": event.data["id"]}, timeout="1h")
            return "no answer" if reply is None else reply.data["text"]

        return runner, invite

    async with program()[0]:
        pass  # from now on it is known that the type listens
    async with JobRunner(database, max_running=0) as sender:
        await sender.send("user/replied", {"id": 7, "text": "too early"})
        await sender.send("user/invited", {"id": 7})
        await sender.send("user/replied", {"id": 7, "text": "yes"})
    runner, invite = program()
    async with runner:
        await runner.run_until_idle()
        (job,) = await runner.jobs.list()
        assert (job.type, job.result) == (invite.name, "yes")


async def _invite_old(event: Event[dict[str, int]], ctx: JobContext = injected) -> str:
    return await _invite_new(Event(**dict(event)), ctx)


async def _invite_new(event: Event[dict[str, str]], ctx: JobContext = injected) -> str:
    reply = await ctx.wait_for_event("answer", "user/replied", timeout="1h")
    return "no answer" if reply is None else reply.data["text"]


async def test_a_listener_that_could_not_read_its_event_gets_what_came_until_another_version_could(
    database: Path,
) -> None:
    old, new = JobRunner(database), JobRunner(database)
    old.on("user/invited", name="invite")(_invite_old)
    new.on("user/invited", name="invite")(_invite_new)
    async with old:
        await old.send("user/invited", {"id": "seven"})
        await old.run_until_idle()
        assert [job.held for job in await old.jobs.list()] == [Held.PAYLOAD]
        await old.send("user/replied", {"text": "yes"})
    async with new:
        await new.run_until_idle()
        assert [job.result for job in await new.jobs.list()] == ["yes"]


async def test_an_event_cancels_what_matches_and_wakes_its_callers(job_kit: JobKit) -> None:
    runner, ended = JobRunner(":memory:"), list[int]()

    @runner.job(cancel_on=On("user/left", match="user.id"))
    async def work(user: dict[str, int], *, sleeps: bool = True, ctx: JobContext = injected) -> None:
        try:
            await (ctx.sleep("s", "1h") if sleeps else asyncio.Event().wait())
        finally:
            ended.append(user["id"])

    await _cancel(runner, work, job_kit)
    assert sorted(ended) == [1, 2, 3]  # two were suspended, and one was cancelled


async def _cancel(runner: JobRunner, work: JobType[..., None], job_kit: JobKit) -> None:
    async with job_kit(runner):
        await runner.send("user/left", {"user": {"id": 2}})  # too early
        suspended, running, other = [
            await runner.enqueue(work, {"id": number}, sleeps=number != 2) for number in (1, 2, 3)
        ]
        later = await runner.enqueue(work.using(delay="1h"), {"id": 2})
        await until(lambda: runner.stats().processing == 1 and runner.stats().scheduled == 3)
        facts, results = runner.watch(), [asyncio.create_task(one.result()) for one in (suspended, running, later)]
        (first, second) = await runner.events.send_many(
            [EventToSend("user/left", {"user": {"id": number}}) for number in (1, 2)]
        )
        assert (first.handles, second.handles) == ((), ())
        for result in results:
            with pytest.raises(JobCancelled, match="event user/left"):
                await result
        assert {fact.job_id for fact in facts.take() if isinstance(fact, JobBecameCancelled)} == {
            suspended.id, running.id, later.id,
        }  # fmt: skip
        assert (await other.job()).status == "pending"
        await runner.jobs.cancel(other.id)


async def test_many_jobs_are_cancelled_by_one_event_in_several_transactions(job_kit: JobKit) -> None:
    runner, gone = JobRunner(":memory:"), list[int]()

    @runner.job(cancel_on=On("all/stop"))
    async def work(n: int) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            gone.append(n)

    count = DELIVERED_AT_ONCE + 3
    async with job_kit(runner):
        for_all = await runner.enqueue_many([work.using(delay="1h").bind(n) for n in range(DELIVERED_AT_ONCE)])
        last = await runner.enqueue_many([work.bind(DELIVERED_AT_ONCE + n) for n in range(3)])
        await until(lambda: runner.stats().processing == 3)
        waited = [asyncio.create_task(handle.result()) for handle in (for_all[0], *last)]
        await runner.send("all/stop")
        for result in waited:
            with pytest.raises(JobCancelled, match="event all/stop"):
                await result
        assert runner.stats().cancelled == count
    assert sorted(gone) == [DELIVERED_AT_ONCE + n for n in range(3)]


async def test_a_function_of_a_listener_that_raises_refuses_the_event(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:")

    @runner.on("user/*", when=lambda event: event.data["plan"] == "team")
    async def call(event: Event[Any]) -> None: ...

    @runner.on("user/left")
    async def tidy(event: Event[Any]) -> None: ...

    async with job_kit(runner):
        with pytest.raises(
            InvalidEvent, match=r"'user/left' was not sent: when= of the listener 'call' raised KeyError"
        ):
            await runner.send("user/left", {"id": 1})
        assert (await runner.events.list(), await runner.jobs.list()) == ([], [])


async def test_a_listener_reacts_to_the_death_of_another_job(job_kit: JobKit) -> None:
    runner, dead = JobRunner(":memory:"), list[dict[str, Any]]()

    @runner.job(max_attempts=2, backoff=Backoff(base="1s"))
    async def fails(n: int) -> None:
        raise ConnectionError(f"no {n}")

    @runner.on("job.dead", when=lambda event: event.data["type"] == "fails" and event.data["payload"]["n"] < 2)
    async def react(event: Event[dict[str, Any]]) -> None:
        dead.append(event.data)

    @runner.on("*", "job.*")
    async def without_ends(event: Event[Any]) -> None:
        dead.append(event.data)

    async with job_kit(runner):
        for n in (1, 2):
            await runner.enqueue(fails, n)
        await job_kit.advance(5)
        assert runner.stats().held == 0
        assert [event.name for event in await runner.events.list()] == ["job.dead"] * 2
    assert [(one["id"], one["payload"], one["attempts"], one["error"]) for one in dead] == [
        (1, {"n": 1}, 2, "ConnectionError: no 1")
    ]
    assert dead[0]["reason"] == "all 2 attempts used up"


async def test_a_listener_of_deaths_that_dies_itself_is_not_started_again(job_kit: JobKit) -> None:
    runner, given = JobRunner(":memory:"), list[str]()

    @runner.on("job.dead", max_attempts=1, on_dead=lambda dead: given.append(f"dead {dead.type}"))
    async def react(event: Event[dict[str, Any]]) -> None:
        given.append(event.data["type"])
        raise ValueError("again")

    @runner.job(max_attempts=1)
    async def fails() -> None:
        raise ValueError("no")

    async with job_kit(runner):
        await runner.enqueue(fails)
        await runner.run_until_idle()
        assert runner.stats().dead == 2
    assert given == ["fails", "dead react"]


async def test_a_listener_reacts_to_completed_jobs(job_kit: JobKit) -> None:
    runner, results = JobRunner(":memory:"), list[Any]()

    @runner.job
    async def square(n: int) -> int:
        return n * n

    @runner.on("job.completed")
    async def react(event: Event[dict[str, Any]]) -> None:
        results.append(event.data["result"])

    async with job_kit(runner):
        await runner.enqueue_many([square.bind(n) for n in range(20)])
        await runner.run_until_idle()
    assert sorted(results) == [n * n for n in range(20)]


async def test_one_job_has_the_events_of_many_sends(job_kit: JobKit) -> None:
    runner, given = JobRunner(":memory:"), list[list[int]]()

    @runner.on("e", batch=Batch(3, max_wait="5s", key="data.org"), when=lambda event: event.data["n"] >= 0)
    async def listener(events: list[Event[dict[str, int]]]) -> None:
        given.append([event.data["n"] for event in events])

    async with job_kit(runner):
        sent = [await runner.send("e", {"org": n % 2, "n": n}, id=f"{n}") for n in (0, 1, 2, 3, -1, 4)]
        assert [len(one.handles) for one in sent] == [1, 1, 1, 1, 0, 1]
        assert len({handle.id for one in sent for handle in one.handles}) == 2
        assert (await runner.send("e", {"org": 0, "n": 0}, id="0")).handles[0].id == sent[0].handles[0].id
        await runner.run_until_idle()
        assert given == [[0, 2, 4]]  # it is full
        await job_kit.advance(5)
    assert given == [[0, 2, 4], [1, 3]]


async def test_what_is_held_for_a_listener_of_many_events_is_placed_in_one_job(tmp_path: Path) -> None:
    given: list[list[int]] = []

    def runner_of(*jobs: Any) -> JobRunner:
        return JobRunner(tmp_path / "jobs.db", jobs=jobs)

    group = Jobs()

    @group.on("e", batch=Batch(9, max_wait="1ms"))
    async def listener(events: list[Event[dict[str, int]]]) -> None:
        given.append([event.data["n"] for event in events])

    async with runner_of(group):
        pass
    async with runner_of() as sender:
        for n in range(3):
            await sender.send("e", {"n": n})
        assert sender.stats().held == 3
    async with runner_of(group):
        await until(lambda: sum(map(len, given)) == 3)
    assert sorted(n for each in given for n in each) == [0, 1, 2]


async def test_a_batch_of_events_of_the_library_that_dies_is_not_started_again(job_kit: JobKit) -> None:
    runner, given = JobRunner(":memory:"), list[str]()

    @runner.on("job.dead", batch=Batch(9, max_wait="1s"), max_attempts=1)
    async def react(events: list[Event[dict[str, Any]]]) -> None:
        given.extend(event.data["type"] for event in events)
        raise ValueError("again")

    @runner.job(max_attempts=1)
    async def fails() -> None:
        raise ValueError("no")

    async with job_kit(runner):
        await runner.enqueue_many([fails.bind() for _ in range(2)])
        await job_kit.advance("1m")
        assert runner.stats().dead == 3
    assert given == ["fails", "fails"]


async def test_a_listener_reacts_to_cancelled_jobs(job_kit: JobKit) -> None:
    runner, reasons = JobRunner(":memory:"), list[Any]()

    @runner.job
    async def long() -> None:
        await asyncio.Event().wait()

    @runner.job
    async def gone() -> None:
        raise Cancel("gone")

    @runner.on("job.cancelled")
    async def react(event: Event[dict[str, Any]]) -> None:
        reasons.append((event.data["type"], event.data["reason"]))

    async with job_kit(runner):
        handles = [await runner.enqueue(long.using(delay=delay)) for delay in (0, "1h", "1h", "1h")]
        await runner.enqueue(gone)
        await until(lambda: runner.stats().running == 1)
        await handles[0].cancel("asked")
        await handles[1].cancel("waited")
        await runner.jobs.cancel_many(ids=[handles[2].id, handles[3].id], reason="many")
        await runner.run_until_idle()
    of_long = [("long", reason) for reason in ("asked", "many", "many", "waited")]
    assert sorted(reasons) == [("gone", "gone"), *of_long]


async def test_the_names_of_the_events_of_the_library_are_its_own(job_kit: JobKit) -> None:
    runner, _ = listening()
    async with job_kit(runner):
        with pytest.raises(InvalidOption, match=r"a name of your own: the library itself sends the events of this"):
            await runner.send("job.dead", {})


async def _nothing() -> None: ...


async def _stranger(event: Event[Any]) -> None: ...
