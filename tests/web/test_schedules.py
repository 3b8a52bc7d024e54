"""The page of schedules."""

from __future__ import annotations

import pytest

from aiojobs_lite import JobRunner
from aiojobs_lite.web import schedules
from tests.helpers.dashboard import dashboard, press, tags_of, text_of


def runner_of_digests() -> JobRunner:
    runner = JobRunner(":memory:")

    @runner.cron("0 9 * * 1-5", tz="Europe/London")
    async def digest() -> None: ...

    return runner


async def test_a_schedule_in_words_with_its_next_ticks() -> None:
    async with dashboard(runner_of_digests()) as client:
        page = (await client.get("/schedules")).text
        text = text_of(page)
        assert "At 09:00, from Monday to Friday Europe/London" in text
        assert "last never" in text
        assert len([tag for tag, given in tags_of(page) if tag == "time"]) == 5


async def test_it_is_paused_resumed_and_run_between_its_ticks() -> None:
    runner = runner_of_digests()
    async with dashboard(runner) as client:
        done = await press(client, "/schedules/pause", name="digest")
        assert "digest is paused." in text_of(done.text)
        assert (await runner.schedules.get("digest")).paused_by == "the dashboard"
        (token,) = [given["value"] for _, given in tags_of(done.text) if given.get("name") == "token"]
        assert "digest goes on." in text_of((await press(client, "/undo", token=token)).text)
        await press(client, "/schedules/pause", name="digest")
        assert "digest goes on." in text_of((await press(client, "/schedules/resume", name="digest")).text)
        done = await press(client, "/schedules/run", name="digest")
        assert "digest was enqueued between its ticks." in text_of(done.text)
        assert done.url.path.endswith("/jobs/1")
        assert (await press(client, "/schedules/run", name="digests")).status_code == 404


async def test_pages_follow_each_other_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(schedules, "SCHEDULES_A_PAGE", 1)
    runner = runner_of_digests()

    @runner.cron("0 0 1 1 *")
    async def yearly() -> None: ...

    async with dashboard(runner) as client:
        page = (await client.get("/schedules")).text
        (following,) = [str(given["href"]) for _, given in tags_of(page) if given.get("rel") == "next"]
        assert "yearly" in text_of((await client.get(following)).text)
        assert "There is no schedule." in text_of((await client.get("/schedules?after=yearly")).text)
