"""Starting and stopping by hooks, by a lifespan."""

from __future__ import annotations

import asyncio

import httpx
import pytest
from fastapi import FastAPI

from aiojobs_lite import JobRunner
from aiojobs_lite.errors import InvalidOption, RunnerAlreadyStarted, RunnerNotStarted
from aiojobs_lite.testing.probe import Probe
from tests.helpers.hosts import LifespanServer
from tests.helpers.mail import other, welcome


@pytest.fixture
def runner() -> JobRunner:
    return JobRunner(":memory:", jobs=[welcome, other])


# Hooks.


async def test_start_and_stop_are_entering_and_leaving_in_any_tasks(runner: JobRunner) -> None:
    for _ in range(2):
        assert await asyncio.create_task(runner.start()) is runner
        assert await (await runner.enqueue(welcome, 1)).result()
        with pytest.raises(RunnerAlreadyStarted):
            await runner.start()
        await asyncio.create_task(runner.stop())
        assert not Probe(runner).is_started


async def test_a_runner_that_is_not_started_may_be_stopped_and_one_that_is_stopped_again(runner: JobRunner) -> None:
    await runner.stop()
    with pytest.raises(RunnerNotStarted):
        runner.stats()
    async with runner:
        await asyncio.gather(runner.stop(), runner.stop())  # leaving the block stops it once more
    assert not Probe(runner).is_started


async def test_a_runner_started_anew_is_not_closed_by_the_stop_before(runner: JobRunner) -> None:
    async def stop_and_start() -> None:
        await runner.stop()
        await runner.start()

    await runner.start()
    await asyncio.gather(stop_and_start(), runner.stop())
    assert (await (await runner.enqueue(other)).job()).type == "other"
    await runner.stop()


# A lifespan.


def test_a_lifespan_that_is_called_where_it_is_given_is_refused(runner: JobRunner) -> None:
    expected = "expected the application, which the framework gives: pass runner.lifespan itself"
    with pytest.raises(InvalidOption, match=expected):
        FastAPI(lifespan=runner.lifespan())  # type: ignore[arg-type]


async def test_it_is_the_lifespan_of_a_fastapi_application(runner: JobRunner) -> None:
    app = FastAPI(lifespan=runner.lifespan)

    @app.get("/")
    async def enqueue() -> str:
        return await (await runner.enqueue(welcome, 1)).result("5s")

    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        server = LifespanServer(app)
        assert await server.ask("startup") == "lifespan.startup.complete"
        assert (await client.get("/")).json() == "1 unknown@example.org"
        assert await server.ask("shutdown") == "lifespan.shutdown.complete"
        await server.task
    assert not Probe(runner).is_started
