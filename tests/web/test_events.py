"""The pages of events."""

from __future__ import annotations

from typing import Any

import pytest

from aiojobs_lite import JobRunner
from aiojobs_lite.events import Event
from aiojobs_lite.web import events
from tests.helpers.dashboard import dashboard, press, tags_of, text_of


def runner_that_listens() -> JobRunner:
    runner = JobRunner(":memory:")

    @runner.on("user/signed.up")
    async def greet(event: Event[Any]) -> None: ...

    return runner


async def test_an_event_is_sent_listed_shown_and_replayed() -> None:
    runner = runner_that_listens()
    async with dashboard(runner) as client:
        done = await press(client, "/events/send", name="user/signed.up", data='{"user_id": 7}', id="a")
        assert "Sent: it started 1 job." in text_of(done.text)
        again = await press(client, "/events/send", name="user/signed.up", data='{"user_id": 7}', id="a")
        assert "This id was sent before." in text_of(again.text)
        text = text_of((await client.get("/events")).text)
        assert '1 user/signed.up now {"user_id": 7}' in text
        page = (await client.get("/events/1")).text
        assert '"user_id": 7' in text_of(page)
        assert "1 greet" in text_of(page)
        done = await press(client, "/events/1/replay", type="greet")
        assert "greet was started again with event 1." in text_of(done.text)
        assert len(await runner.jobs.list(type="greet")) == 2


@pytest.mark.parametrize(
    ("path", "fields", "status"),
    [
        ("/events/send", {"name": "a/b", "data": "{"}, 400), ("/events/send", {"name": "", "data": "{}"}, 400),
        ("/events/9/replay", {"type": "greet"}, 404), ("/events/1/replay", {"type": "gone"}, 404),
        ("/events/1/replay", {"type": "other"}, 400),
    ],
)  # fmt: skip
async def test_what_cannot_be_is_refused(path: str, fields: dict[str, str], status: int) -> None:
    runner = runner_that_listens()

    @runner.job
    async def other() -> None: ...

    async with dashboard(runner) as client:
        await runner.send("user/signed.up", {})
        assert (await press(client, path, **fields)).status_code == status
        assert len(await runner.jobs.list()) == 1


async def test_pages_follow_each_other_and_are_of_a_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(events, "EVENTS_A_PAGE", 1)
    async with dashboard(runner := runner_that_listens()) as client:
        for name in ("a/b", "a/c", "a/b"):
            await runner.send(name, {"x": "x" * 5_000})
        page = (await client.get("/events?name=a/b")).text
        assert "characters" in text_of(page)
        (older,) = [str(given["href"]) for _, given in tags_of(page) if given.get("rel") == "next"]
        text = text_of((await client.get(older)).text)
        assert "1 a/b" in text
        assert "Older" not in text
        for before in ("9", "x", "0"):
            assert "3 a/b" in text_of((await client.get(f"/events?before={before}")).text)


async def test_data_is_shown_as_the_hook_lets_it() -> None:
    async with dashboard(
        runner := runner_that_listens(), redact=lambda what, name, value: f"{what} of {name}"
    ) as client:
        await runner.send("user/signed.up", {"email": "ann@example.com"})
        for path in ("/events", "/events/1"):
            page = (await client.get(path)).text
            assert "event of user/signed.up" in text_of(page)
            assert "ann@example.com" not in page
