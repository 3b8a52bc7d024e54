"""An ASGI application around another one starts and stops the runner."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from aiojobs_lite import InvalidOption, JobRunner, StoreRefused
from aiojobs_lite.errors import QueueFull
from aiojobs_lite.flow import answer_queue_full
from aiojobs_lite.testing.probe import Probe
from tests.helpers.hosts import LifespanServer
from tests.helpers.mail import other, welcome
from tests.helpers.waiting import PATIENCE, until


@pytest.fixture
def runner() -> JobRunner:
    return JobRunner(":memory:", jobs=[welcome, other])


# ASGI.


def application(runner: JobRunner, story: list[str], *, fails: bool = False) -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        story.append(f"begins, started: {Probe(runner).is_started}")
        if fails:
            raise OSError("no server")
        yield
        story.append(f"ends, started: {Probe(runner).is_started}")

    app = FastAPI(lifespan=lifespan)

    @app.get("/")
    async def enqueue() -> str:
        return await (await runner.enqueue(welcome, 1)).result("5s")

    return app


async def without_lifespan(scope: Any, receive: Any, send: Any) -> None:
    """As Django is."""
    if scope["type"] == "lifespan":
        raise ValueError("it can only handle HTTP")
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


async def test_the_events_of_the_lifespan_start_and_stop_it_around_an_application_that_knows_none(
    runner: JobRunner,
) -> None:
    server = LifespanServer(runner.asgi(without_lifespan))
    assert await server.ask("startup") == "lifespan.startup.complete"
    handle = await runner.enqueue(other)
    await handle.result()
    assert await server.ask("shutdown") == "lifespan.shutdown.complete"
    await server.task
    assert not Probe(runner).is_started


async def test_an_application_that_knows_the_lifespan_begins_before_it_and_ends_after_it(runner: JobRunner) -> None:
    story: list[str] = []
    server = LifespanServer(runner.asgi(application(runner, story)))
    assert await server.ask("startup") == "lifespan.startup.complete"
    assert Probe(runner).is_started
    assert await server.ask("shutdown") == "lifespan.shutdown.complete"
    await server.task
    assert story == ["begins, started: False", "ends, started: False"]


async def test_a_start_of_the_application_that_fails_is_answered_and_starts_nothing(runner: JobRunner) -> None:
    server = LifespanServer(runner.asgi(application(runner, [], fails=True)))
    assert await server.ask("startup") == "lifespan.startup.failed"
    await server.task
    assert not Probe(runner).is_started


async def test_a_start_of_the_runner_that_fails_is_answered_and_ends_the_application(tmp_path: Path) -> None:
    story: list[str] = []
    runner = JobRunner(tmp_path, jobs=[welcome])
    server = LifespanServer(runner.asgi(application(runner, story)))
    assert await server.ask("startup") == "lifespan.startup.failed"
    with pytest.raises(StoreRefused):
        await server.task
    assert story[-1] == "ends, started: False"


async def test_without_events_the_first_request_starts_it_once(runner: JobRunner) -> None:
    transport = httpx.ASGITransport(runner.asgi(application(runner, [])))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        answers = await asyncio.gather(*[client.get("/") for _ in range(3)])
        assert [answer.json() for answer in answers] == ["1 unknown@example.org"] * 3
        assert runner.stats().completed == 3
        await runner.stop()


async def test_a_first_request_that_fails_to_start_it_is_no_end_for_the_next(tmp_path: Path) -> None:
    place = tmp_path / "jobs.db"
    place.mkdir()
    runner = JobRunner(place, jobs=[welcome])
    transport = httpx.ASGITransport(runner.asgi(without_lifespan))
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        with pytest.raises(StoreRefused):
            await client.get("/")
        place.rmdir()
        assert (await client.get("/")).status_code == 204
        await runner.stop()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_server_without_events_gets_a_signal_after_the_drain(number: signal.Signals) -> None:
    begun, may_end, passed_on = asyncio.Event(), asyncio.Event(), asyncio.Event()
    runner = JobRunner(":memory:")

    @runner.job
    async def held() -> None:
        begun.set()
        await may_end.wait()

    found = signal.signal(number, lambda number, frame: passed_on.set())  # it ends the process, without a stop
    try:
        transport = httpx.ASGITransport(runner.asgi(without_lifespan))
        async with asyncio.timeout(PATIENCE), httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            await client.get("/")
            handle = await runner.enqueue(held)
            await begun.wait()
            signal.raise_signal(number)
            await until(lambda: runner.stats().draining)
            assert (await client.get("/")).status_code == 204
            assert not passed_on.is_set()
            result = asyncio.create_task(handle.result())
            may_end.set()
            await result
            await passed_on.wait()
            assert runner.stats().completed == 1
    finally:
        await runner.stop()
        signal.signal(number, found)


async def test_a_server_that_does_not_wait_gets_the_third_signal_at_once() -> None:
    came: list[int] = []
    runner = JobRunner(":memory:")
    found = signal.signal(signal.SIGTERM, lambda number, frame: came.append(number))
    try:
        transport = httpx.ASGITransport(runner.asgi(without_lifespan))
        async with asyncio.timeout(PATIENCE), httpx.AsyncClient(transport=transport, base_url="http://test") as client:
            await client.get("/")
            for expected in (0, 0, 1):
                signal.raise_signal(signal.SIGTERM)
                assert len(came) == expected
            await runner.stop()
    finally:
        signal.signal(signal.SIGTERM, found)


def test_what_is_no_application_is_refused(runner: JobRunner) -> None:
    with pytest.raises(InvalidOption, match="an ASGI application"):
        runner.asgi("app.py")  # type: ignore[arg-type]


async def test_a_full_queue_is_answered_with_the_time_to_try_again() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError

    for wait, seconds in ((2.1, b"3"), (0.1, b"1")):
        answer = await answer_queue_full(None, QueueFull("email", 5, 5, wait))
        await answer({"type": "http"}, receive, send)
        start, body = sent[-2:]
        assert start["status"] == 503
        assert dict(start["headers"])[b"retry-after"] == seconds
        assert body["body"] == b'{"detail": "too many jobs wait: try again later"}'
