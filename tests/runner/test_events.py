"""Sending events, and looking at those that were sent."""

from __future__ import annotations

from typing import Any

import pytest

from aiojobs_lite import InvalidOption, JobRunner, JobType, UnknownJobType
from aiojobs_lite.errors import EventNotFound, InvalidEvent
from aiojobs_lite.events import Event, EventToSend
from aiojobs_lite.runner.events import LONGEST_EVENT_ID_CHARS, MOST_EVENTS
from aiojobs_lite.sizes import LARGEST_PAYLOAD_BYTES
from aiojobs_lite.telemetry.facts import EventSent
from aiojobs_lite.testing import JobKit


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


@pytest.mark.parametrize("data", [7, "text", [1], {"a": object()}, {"a": "x" * LARGEST_PAYLOAD_BYTES}])
async def test_data_that_cannot_be_stored_are_refused(data: Any, job_kit: JobKit) -> None:
    runner, _ = listening()
    async with job_kit(runner):
        with pytest.raises(InvalidEvent, match=r"^event 'user/a' was not sent: its data"):
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
        with pytest.raises(InvalidEvent, match=r"its data have 262,152 bytes, at most 262,144 are stored\.$"):
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


async def _nothing() -> None: ...


async def _stranger(event: Event[Any]) -> None: ...
