"""Secret arguments: the handler is given them, and no list, log, event, error or test shows them."""

from __future__ import annotations

import asyncio
import json
import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from aiojobs_lite import Abandon, Backoff, Job, JobRunner, Retry, job
from aiojobs_lite.dead import DeadJob
from aiojobs_lite.events import Event
from aiojobs_lite.flow import Batch, Debounce
from aiojobs_lite.runner.middleware import JobToEnqueue, Middleware
from aiojobs_lite.testing import JobKit
from aiojobs_lite.testing.clock import FakeClock
from tests.helpers.rings import slow
from tests.helpers.waiting import PATIENCE

SECRET = "s3cret"
given: list[Any] = []


@job(secret=["token"], backoff=Backoff("1s", "1s"), max_attempts=3)
async def deliver(url: str, token: str, how: str = "done") -> str:
    given.append(token)
    if how == "retry":
        raise Retry("busy")
    if how == "abandon":
        raise Abandon("no")
    return url


@job(process=True, secret=["token"])
def elsewhere(token: str) -> int:
    return len(token)


@pytest.fixture(autouse=True)
def _forget() -> None:
    given.clear()


def show(job: Job) -> str:
    """All that a job shows of itself."""
    as_json = TypeAdapter(Job).dump_json(job).decode()
    return f"{job!r} {asdict(job)} {as_json} {job.payload} {job.payload_json}"


async def test_the_handler_is_given_what_nothing_shows(clock: FakeClock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with asyncio.timeout(PATIENCE), JobRunner(":memory:", jobs=[deliver], clock=clock) as runner:
        facts = runner.watch()
        handle = await runner.enqueue(deliver, "https://a", SECRET, how="retry")
        later = await runner.enqueue(deliver.using(delay="1h"), "https://b", SECRET)
        await runner.run_until_idle()
        (listed,) = await runner.jobs.list(type="deliver", limit=1, after=later.id)
        found = await runner.jobs.get(handle.id)
        assert found.payload == listed.payload == {"url": "https://a", "token": "REDACTED", "how": "retry"}
        assert json.loads(TypeAdapter(Job).dump_json(found))["payload"]["token"] == "REDACTED"
        texts = [show(found), show(listed), await runner.jobs.explain(later.id), *map(repr, facts.take())]
        assert SECRET not in " ".join(texts)
        await runner.jobs.run_now(handle.id)
        await runner.run_until_idle()
        await runner.jobs.run_now(handle.id)
        await runner.run_until_idle()
        await runner.jobs.redrive(handle.id)
        await runner.run_until_idle()
    assert given == [SECRET] * 4
    assert SECRET not in caplog.text


async def test_a_program_that_does_not_know_the_type_shows_nothing(tmp_path: Path) -> None:
    database = tmp_path / "jobs.db"
    async with asyncio.timeout(PATIENCE), JobRunner(database, jobs=[deliver], max_running=0) as runner:
        handle = await runner.enqueue(deliver, "https://a", SECRET)
    async with asyncio.timeout(PATIENCE), JobRunner(database) as other:
        assert SECRET not in show(await other.jobs.get(handle.id))


async def test_a_dead_job_shows_nothing_to_its_listeners(clock: FakeClock) -> None:
    dead: list[DeadJob] = []
    events: list[Event[Any]] = []
    runner = JobRunner(":memory:", jobs=[deliver], clock=clock)

    @runner.on_dead
    async def notes(job: DeadJob) -> None:
        dead.append(job)

    @runner.on("job.dead")
    async def listens(event: Event[Any]) -> None:
        events.append(event)

    async with asyncio.timeout(PATIENCE), runner:
        await runner.enqueue(deliver, "https://a", SECRET, how="abandon")
        await runner.run_until_idle()
        await runner.run_until_idle()
    assert [job.payload["token"] for job in dead] == ["REDACTED"]
    assert [event.data["payload"]["token"] for event in events] == ["REDACTED"]


async def test_a_middleware_is_shown_no_secret_and_may_add_metadata(clock: FakeClock) -> None:
    seen: list[Any] = []

    class Looks(Middleware):
        async def around_enqueue(self, jobs: Any, proceed: Any) -> None:
            one: JobToEnqueue = jobs[0]
            seen.append(dict(one.payload))
            one.metadata["request"] = "7"
            await proceed()

    async with (
        asyncio.timeout(PATIENCE),
        JobRunner(":memory:", jobs=[deliver], clock=clock, middleware=[Looks()]) as runner,
    ):
        await (await runner.enqueue(deliver, "https://a", SECRET)).result(PATIENCE)
    assert seen == [{"url": "https://a", "token": "REDACTED"}]
    assert given == [SECRET]


async def test_what_is_put_together_of_several_enqueues_stays_secret(clock: FakeClock) -> None:
    @job(secret=["tokens"], batch=Batch(3, max_wait="1h"))
    async def many(tokens: list[str]) -> None:
        given.append(tokens)

    @job(secret=["token"], debounce=Debounce("1s", key="url"))
    async def last(url: str, token: str) -> None:
        given.append(token)

    async with asyncio.timeout(PATIENCE), JobRunner(":memory:", jobs=[many, last], clock=clock) as runner:
        for number in range(2):
            handle = await runner.enqueue(many, [f"{SECRET}{number}"])
        await runner.run_until_idle()
        assert "items: 2 of 3" in await runner.jobs.explain(handle.id)
        await runner.enqueue(many, ["third"])
        for number in range(2):
            await runner.enqueue(last, "https://a", f"{SECRET}{number}")
        jobs = await runner.jobs.list()
        assert SECRET not in " ".join(map(show, jobs))
        clock.advance("2h")
        await runner.run_until_idle()
    assert sorted(given, key=str) == [[f"{SECRET}0", f"{SECRET}1", "third"], f"{SECRET}1"]


async def test_the_testing_kit_compares_the_values_and_shows_none(job_kit: JobKit) -> None:
    runner = JobRunner(":memory:", jobs=[deliver])
    async with job_kit(runner):
        await runner.enqueue(deliver, "https://a", SECRET)
        found = job_kit.assert_enqueued(deliver, token=SECRET)
        assert found.arguments == {"url": "https://a", "token": "REDACTED"}
        assert SECRET not in f"{found!r} {found}"
        job_kit.assert_enqueued("deliver", token=SECRET)
        with pytest.raises(AssertionError, match="token='REDACTED'") as caught:
            job_kit.assert_enqueued(deliver, token=f"{SECRET}2")
        assert SECRET not in str(caught.value)


@slow
async def test_a_worker_process_is_given_the_values() -> None:
    async with asyncio.timeout(PATIENCE), JobRunner(":memory:", jobs=[elsewhere]) as runner:
        assert await (await runner.enqueue(elsewhere, SECRET)).result(PATIENCE) == len(SECRET)
