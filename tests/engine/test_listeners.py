"""The events of programs that do not know the listeners: what a runner that knows them makes of the held jobs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite import JobRunner
from aiojobs_lite.engine.listeners import LISTENER_PAGE, listening
from aiojobs_lite.events import Event, EventToSend
from aiojobs_lite.flow import Unique
from aiojobs_lite.model.events import Listener
from aiojobs_lite.model.job import Held
from tests.helpers.engine import registry_of
from tests.helpers.waiting import until


def knowing(database: Path, given: list[int]) -> JobRunner:
    """A runner with a listener that is particular."""
    runner = JobRunner(database)

    @runner.on("user/*", when=lambda event: event.data["n"] >= 0, name="listener")
    async def listener(event: Event[dict[str, int]]) -> None:
        given.append(event.data["n"])

    return runner


async def test_held_jobs_of_listeners_start_or_go(tmp_path: Path) -> None:
    database, given = tmp_path / "app.db", list[int]()
    async with knowing(database, given):
        pass  # its listeners are stored
    count = LISTENER_PAGE + 5
    async with JobRunner(database, max_running=0) as sender:
        await sender.events.send_many([EventToSend("user/left", {"n": n}) for n in range(-1, count)])
        assert [job.held for job in await sender.jobs.list(limit=2)] == [Held.LISTENER] * 2
    async with knowing(database, given) as runner:
        await until(lambda: len(given) == count, 0.01)
        await runner.run_until_idle()
        assert await runner.jobs.list(status="pending") == []
    assert sorted(given) == list(range(count))


async def test_a_when_that_fails_leaves_the_job_held(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    database, given = tmp_path / "app.db", list[int]()
    async with knowing(database, given):
        pass
    async with JobRunner(database, max_running=0) as sender:
        await sender.send("user/left", {"m": 1})
        await sender.send("user/left", {"n": 1})
    async with knowing(database, given) as runner:
        await until(lambda: given == [1], 0.01)
        (job,) = await runner.jobs.list(status="pending")
        assert job.held is Held.LISTENER
    assert "when= of listener failed" in caplog.text


async def test_held_jobs_start_however_many_may_be_pending(tmp_path: Path) -> None:
    database, given = tmp_path / "app.db", list[int]()

    def bounded() -> JobRunner:
        runner = JobRunner(database)

        @runner.on("user/*", max_pending=1, name="bounded")
        async def listener(event: Event[dict[str, int]]) -> None:
            given.append(event.data["n"])

        return runner

    async with bounded():
        pass
    async with JobRunner(database, max_running=0) as sender:
        await sender.events.send_many([EventToSend("user/left", {"n": n}) for n in range(3)])
    async with bounded():
        await until(lambda: len(given) == 3, 0.01)
    assert sorted(given) == [0, 1, 2]


async def test_a_held_job_whose_key_is_taken_stays_held(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    database = tmp_path / "app.db"

    def unique() -> JobRunner:
        runner = JobRunner(database)

        @runner.on("user/*", unique=Unique("event.name", on_conflict="raise"), name="unique")
        async def listener(event: Event[dict[str, int]]) -> None: ...

        return runner

    async with unique() as runner:
        await runner.types.pause("unique")
        first = (await runner.send("user/left")).handles[0]
    async with JobRunner(database, max_running=0) as sender:
        await sender.send("user/left")
    async with unique() as runner:
        await until(lambda: f"of unique stays held: job {first.id} has its key" in caplog.text, 0.01)
        assert [job.held for job in await runner.jobs.list(status="pending")] == [Held.LISTENER, None]


def test_the_listeners_of_a_runner_are_stored_with_what_a_job_needs() -> None:
    runner = JobRunner(":memory:")

    async def handler(event: Event[Any]) -> None: ...

    async def other() -> None: ...

    made = runner.on("a", "b*", name="one", max_attempts=3)(handler)
    assert listening(registry_of(made, runner.job(other))) == (Listener("one", ("a", "b*"), made.priority, 3),)
