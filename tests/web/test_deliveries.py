"""The page of deliveries."""

from __future__ import annotations

from aiojobs_lite import JobRunner
from tests.helpers.dashboard import dashboard, text_of
from tests.helpers.endpoints import local

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


async def test_where_nothing_delivers_there_is_nothing() -> None:
    async with dashboard(JobRunner(":memory:")) as client:
        assert "Nothing was delivered yet." in text_of((await client.get("/deliveries")).text)
