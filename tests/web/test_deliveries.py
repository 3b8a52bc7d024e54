"""The page of deliveries."""

from __future__ import annotations

import pytest

from aiojobs_lite import JobRunner
from aiojobs_lite.runner import walks
from tests.helpers.dashboard import dashboard, tags_of, text_of
from tests.helpers.endpoints import local
from tests.helpers.mail import welcome

REFUSED = "http://127.0.0.1:9/hook?token=x"


async def test_a_delivery_has_where_it_goes_and_what_was_answered() -> None:
    runner = JobRunner(":memory:", jobs=[local()])
    async with dashboard(runner) as client:
        await runner.types.pause("http.delivery")
        await runner.publish(REFUSED, json={"a": 1})
        text = text_of((await client.get("/deliveries")).text)
        assert f"1 {REFUSED} due — 0 /10" in text
        assert "No delivery has this status." in text_of((await client.get("/deliveries?status=dead")).text)
        assert REFUSED in text_of((await client.get("/deliveries?status=gone")).text)


async def test_an_empty_page_before_the_end_leads_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walks, "PAGE_S", -1)
    monkeypatch.setattr(walks, "FIRST_LOOKS", 1)
    runner = JobRunner(":memory:", jobs=[local(), welcome], max_running=0)
    async with dashboard(runner) as client:
        await runner.publish(REFUSED, json={"a": 1})
        await runner.enqueue(welcome, 1)
        page = (await client.get("/deliveries")).text
        assert "None as far as job 2; older ones may follow." in text_of(page)
        (older,) = [given["href"] for _, given in tags_of(page) if given.get("rel") == "next"]
        assert REFUSED in text_of((await client.get(str(older))).text)


async def test_where_nothing_delivers_there_is_nothing() -> None:
    async with dashboard(JobRunner(":memory:")) as client:
        assert "Nothing was delivered yet." in text_of((await client.get("/deliveries")).text)
