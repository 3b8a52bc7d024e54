"""examples/progress.py: what it streams, that each stream ends, and what a browser does then."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from aiojobs_lite import Status
from aiojobs_lite.testing import JobKit, context
from examples import progress
from examples.progress import app, changes, render, runner
from tests.helpers.rings import slow
from tests.helpers.waiting import PATIENCE


def parts(text: str) -> list[str]:
    """The events of a stream, but for comments."""
    return [part for part in text.split("\n\n") if part not in {"", ":"}]


def data(part: str) -> Any:
    return json.loads(part.partition("data: ")[2])


async def first(stream: AsyncIterator[str], count: int) -> list[str]:
    return [await anext(stream) for _ in range(count)]


def test_a_browser_gets_the_changes_of_a_job_until_its_end(job_kit: JobKit) -> None:
    job_kit.replace(runner)
    with TestClient(app) as client:
        job_id = client.post("/videos", params={"title": "holidays", "frames": 2}).json()
        answer = client.get(f"/videos/{job_id}/events")
        assert answer.headers["content-type"].startswith("text/event-stream")
        retry, *found, end = parts(answer.text)
        assert (retry, end) == ("retry: 1000", "event: end\ndata:")
        last = data(found[-1])
        assert (last["status"], last["progress"]["fraction"]) == (Status.COMPLETED, 1.0)
        assert [line["text"] for part in found for line in data(part)["lines"]] == ["frame 0 of 2"]
        assert found[-1].startswith("id: 1\n")
        again = client.get(f"/videos/{job_id}/events", headers={"Last-Event-ID": "1"})
        assert [data(part)["lines"] for part in parts(again.text)[1:-1]] == [[]]
        assert client.get("/videos/99/events").status_code == 404


async def test_a_stream_ends_by_itself_and_shows_that_it_lives(
    job_kit: JobKit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "SILENT_S", 0.01)
    async with asyncio.timeout(PATIENCE), job_kit(runner, run=False):
        handle = await runner.enqueue(render, "holidays", 2)
        stream, found = changes(handle.id, 0, 60), set[str]()
        while len(found) < 3:
            found.add(await anext(stream))
        silence, retry, pending = sorted(found, key=len)
        assert (retry, silence) == ("retry: 1000\n\n", ":\n\n")
        assert data(pending)["status"] == "pending"
        assert [part async for part in changes(handle.id, 0, life_s=0)] == [retry]


async def test_a_stream_ends_when_the_runner_stops() -> None:
    async with asyncio.timeout(PATIENCE), JobKit()(runner, run=False):
        handle = await runner.enqueue(render, "holidays", 2)
        stream = changes(handle.id, 0, 60)
        await first(stream, 2)
        rest = asyncio.ensure_future(_rest(stream))
        await asyncio.sleep(0)
    assert await rest == []


async def _rest(stream: AsyncIterator[str]) -> list[str]:
    return [part async for part in stream]


@slow
async def test_the_handler_says_how_far_it_is() -> None:
    ctx = context(render)
    assert await render("holidays", 11, ctx) == "holidays.mp4"
    assert ctx.reported[-1] == (1.0, "rendering")
    assert ctx.logged == ["frame 0 of 11", "frame 10 of 11"]
