"""Events that a `JobClient` sends, without an event loop."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite import InvalidOption, JobClient, JobRunner, Jobs
from aiojobs_lite.errors import ClientClosed, InvalidEvent, QueueFull, WrongEventLoop
from aiojobs_lite.events import ClientSentEvent, Event, EventToSend
from aiojobs_lite.model.job import Held
from tests.helpers.waiting import until

given = list[Any]()


@pytest.fixture(autouse=True)
def _forget() -> None:
    given.clear()


def listeners() -> Jobs:
    """Two listeners: one that may have one job, and one that is particular."""
    jobs = Jobs()

    @jobs.on("user/*", max_pending=1)
    async def one_at_a_time(event: Event[Any]) -> None:
        given.append(event.id)

    @jobs.on("user/left", when=lambda event: event.data["n"] > 1)
    async def particular(event: Event[dict[str, int]]) -> None:
        given.append(event.data["n"])

    return jobs


def test_an_event_starts_what_the_client_knows_and_the_same_id_starts_nothing_again(database: Path) -> None:
    with JobClient(database, jobs=[listeners()]) as client:
        first = client.send("user/left", {"n": 1}, id="one")
        assert (first.id, first.is_new, len(first.handles)) == ("one", True, 1)
        assert client.get(first.handles[0].id).type == "one_at_a_time"
        again = client.send("user/left", {"n": 2}, id="one")
        assert again == ClientSentEvent("one", is_new=False, handles=(replace(first.handles[0], is_new=False),))
        assert client.send("user").is_new


def test_many_are_sent_all_or_none(database: Path) -> None:
    with JobClient(database, jobs=[listeners()]) as client:
        with pytest.raises(QueueFull, match="one_at_a_time"):
            client.send_many([EventToSend("user/left", {"n": n}) for n in (1, 2)])
        both = client.send_many([EventToSend("user/left", {"n": 2}), EventToSend("other", {"n": 2})])
        assert [len(sent.handles) for sent in both] == [2, 0]
        for data in (7, {"a": {1}}):
            with pytest.raises(InvalidEvent):
                client.send("a", data)
        for events in ([], ["a"], [EventToSend("user/*")], [EventToSend("job.dead")]):
            with pytest.raises(InvalidOption):
                client.send_many(events)  # type: ignore[arg-type]  # what is tested


async def test_a_runner_starts_what_the_client_does_not_know(database: Path) -> None:
    async with JobRunner(database, jobs=[listeners()]) as runner:
        with JobClient(database) as client:
            sent = await asyncio.to_thread(client.send, "user/left", {"n": 3})
            assert sent.handles == ()
            await until(lambda: sorted(map(str, given)) == sorted(["3", sent.id]), look_every=0.01)
        assert await runner.jobs.list(held=Held.LISTENER) == []


async def test_it_is_not_for_an_event_loop_and_not_for_a_client_that_is_closed(database: Path) -> None:
    client = JobClient(database)
    with pytest.raises(WrongEventLoop):
        client.send("a")
    client.close()
    with pytest.raises(ClientClosed):
        await asyncio.to_thread(client.send, "a")
