"""`DELETE /v2/messages`: messages cancelled by ids, by a filter, or all."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from aiojobs_lite import JobRunner
from aiojobs_lite.model.job import Status
from aiojobs_lite.testing import FakeClock
from tests.helpers.endpoints import Received, endpoint, local
from tests.helpers.qstash import serving
from tests.helpers.qstash_messages import cancelled, published

URL = "http://127.0.0.1:9/hook"


def storing(**options: Any) -> tuple[JobRunner, Any]:
    """A runner that delivers nothing, with its deliveries."""
    http = local()
    return JobRunner(":memory:", jobs=[http], max_running=0, **options), http


async def test_messages_are_cancelled_by_ids_in_a_body_or_in_parameters() -> None:
    runner, http = storing()
    async with serving(runner, http) as api:
        ids = [await published(api) for _ in range(5)]
        assert await cancelled(api, []) == 0
        assert await cancelled(api, [ids[0], "nonsense", ids[0], f"x{ids[1]}"]) == 1
        assert await cancelled(api, messageIds=ids[:3]) == 2
        assert await cancelled(api, messageIds=",".join(ids[3:])) == 2
        assert await cancelled(api, ids) == 0
        assert await cancelled(api, messageIds="") == 0


async def test_all_are_cancelled_without_a_filter_but_no_other_delivery() -> None:
    runner, http = storing()
    async with serving(runner, http) as api:
        for _ in range(3):
            await published(api)
        own = await runner.publish(URL, metadata={"url": URL})
        assert await cancelled(api, count=2) == 2
        assert await cancelled(api) == 1
        assert (await own.job()).status is Status.PENDING
        assert await cancelled(api, [own.key]) == 0
        assert (await api.get(f"/v2/messages/{own.key}")).status_code == 404


async def test_messages_are_cancelled_by_filters_of_which_all_hold() -> None:
    clock = FakeClock()
    runner, http = storing(clock=clock)
    async with serving(runner, http) as api:
        await published(
            api, "http://a.test/x?y=1,2", Label="eu,vip", Flow_Control_Key="one", Flow_Control_Value="rate=5"
        )
        clock.advance("1m")
        await published(api, "http://a.test/z", Label="us")
        await published(api, "http://b.test/x", Label="vip")
        now = clock.now() // 1000
        assert await cancelled(api, label="none", host="a.test") == 0
        assert await cancelled(api, label=["eu", "us"], host="b.test") == 0
        assert await cancelled(api, flowControlKey="one", fromDate=now) == 0
        assert await cancelled(api, url="http://a.test/x?y=1,2", path="/x,/y", label="eu", toDate=now - 60_000) == 1
        assert await cancelled(api, callerIp="192.0.2.7", host="A.test,b.test", count=1, fromDate=now, toDate=now) == 1
        assert await cancelled(api, callerIP="192.0.2.7") == 1


async def test_a_message_that_is_being_delivered_is_asked_to_stop() -> None:
    begun = asyncio.Event()

    async def hang(request: Received, writer: asyncio.StreamWriter) -> None:
        begun.set()
        await asyncio.Event().wait()

    async with endpoint(hang) as receiver, serving() as api:
        await published(api, receiver.url)
        await begun.wait()
        assert await cancelled(api) == 1


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        ({"params": {"tag": "a"}}, "no such parameter"),
        ({"params": {"messageIds": "a", "label": "b"}}, "no other filter beside it"),
        ({"params": {"count": "all"}}, "a whole number from 1 to 500"),
        ({"json": {"messageIds": "a"}}, "messageIds"),
        ({"json": {}}, "messageIds"),
        ({"content": b"{"}, "no JSON"),
        ({"params": {"label": "a"}, "json": {"messageIds": []}}, "as parameters or as a body, not both"),
    ],
)
async def test_what_is_no_filter_cancels_nothing(sent: dict[str, Any], error: str) -> None:
    runner, http = storing()
    async with serving(runner, http) as api:
        await published(api)
        refused = await api.request("DELETE", "/v2/messages", **sent)
        assert refused.status_code == 400
        assert error in refused.json()["error"]
        slash = await api.delete("/v2/messages/")
        assert slash.status_code == 404
        assert await cancelled(api) == 1
