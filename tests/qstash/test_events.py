"""Events of messages: their states and order, filters, pages; exactly one DELIVERED each."""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import httpx
import pytest

from aiojobs_lite import JobRunner
from aiojobs_lite.http import Http
from aiojobs_lite.qstash import moments
from aiojobs_lite.qstash.filters import STATES
from aiojobs_lite.testing import FakeClock
from tests.helpers.endpoints import Received, endpoint, local, reply
from tests.helpers.qstash import serving
from tests.helpers.qstash_messages import cancelled, published, world

QUICK = {"Retry_Delay": "1"}  # a millisecond


async def listed(api: httpx.AsyncClient, of: str = "events", /, **parameters: Any) -> list[dict[str, Any]]:
    """The events of all pages, the latest first."""
    events: list[dict[str, Any]] = []
    while True:
        found = (await api.get(f"/v2/{of}", params=parameters)).json()
        events += found[of]
        if "cursor" not in found:
            return events
        parameters["cursor"] = found["cursor"]


async def states(api: httpx.AsyncClient, **parameters: Any) -> list[str]:
    """The states of the events, in the order in which they came."""
    return [event["state"] for event in reversed(await listed(api, **parameters))]


async def until_idle(runner: JobRunner, clock: FakeClock) -> None:
    """Lets all retries come."""
    for _ in range(9):
        await runner.run_until_idle()
        clock.advance("1m")


def unbroken() -> Http:
    return local(per_host=None, breaker=None)


async def test_a_message_that_is_delivered_at_its_third_attempt_has_each_state() -> None:
    http, clock = unbroken(), FakeClock()
    runner = JobRunner(":memory:", jobs=[http], clock=clock)
    answers = reply(503, b"busy", X_A="1"), reply(404), reply(201, b"done")
    async with endpoint(*answers) as receiver, serving(runner, http) as api:
        message_id = await published(
            api, receiver.url, Label="eu,vip", Forward_X_B="2", Timeout="5s", Retry_Delay="60000"
        )
        await until_idle(runner, clock)
        events = await listed(api)
        assert [event["state"] for event in reversed(events)] == [
            "CREATED", "ACTIVE", "ERROR", "RETRY", "ACTIVE", "ERROR", "RETRY", "ACTIVE", "DELIVERED",
        ]  # fmt: skip
        assert events == sorted(events, key=lambda event: -event["time"])
        assert {event["messageId"] for event in events} == {message_id}
        created, error, retry, delivered = events[-1], events[-3], events[-4], events[0]
        assert created == {
            "time": created["time"], "messageId": message_id, "state": "CREATED", "url": receiver.url,
            "method": "POST",
            "body": base64.b64encode(b"hello").decode(), "header": {"X-B": ["2"]}, "maxRetries": 3, "timeout": 5000,
            "callerIP": "192.0.2.7", "label": "eu", "labels": ["eu", "vip"], "retryDelayExpr": "60000",
            "retryDelayExpression": "60000",
        }  # fmt: skip
        assert (error["responseStatus"], error["responseBody"]) == (503, base64.b64encode(b"busy").decode())
        assert error["responseHeader"] == error["responseHeaders"] == {"Content-Length": ["4"], "X-A": ["1"]}
        assert error["error"] == "the receiver answered 503"
        assert retry["nextDeliveryTime"] == events[-5]["time"] > retry["time"]
        assert (delivered["responseStatus"], delivered["responseBody"]) == (201, base64.b64encode(b"done").decode())
        assert "error" not in delivered
        assert await listed(api, "logs") == events


async def test_a_message_that_dies_has_failed_once_and_no_retry_after_its_last_error() -> None:
    async with world() as made:
        await made.dead("/gone")
        assert await states(made.api) == ["CREATED", "ACTIVE", "ERROR", "FAILED"]
        failed, error = (await listed(made.api))[:2]
        assert "responseStatus" not in failed
        assert failed["error"]
        assert "nextDeliveryTime" not in error
        await made.api.delete("/v2/dlq", params={"count": 1})
        assert await states(made.api) == []


@pytest.mark.parametrize("headers", [{}, {"Upstash-NonRetryable-Error": "true"}])
async def test_a_message_that_has_failed_says_what_the_receiver_answered(headers: dict[str, str]) -> None:
    http = unbroken()
    runner = JobRunner(":memory:", jobs=[http])
    async with endpoint(reply(489, b"no", **headers)) as receiver, serving(runner, http) as api:
        await published(api, receiver.url, Retries="0")
        await runner.run_until_idle()
        failed, error = (await listed(api))[:2]
        assert (failed["state"], failed["responseStatus"]) == ("FAILED", 489)
        assert failed["error"] == error["error"]
        assert failed["error"].startswith("the receiver answered 489")


async def test_a_message_is_cancelled_before_and_while_it_is_delivered() -> None:
    begun = asyncio.Event()

    async def hang(request: Received, writer: asyncio.StreamWriter) -> None:
        begun.set()
        await asyncio.Event().wait()

    http = unbroken()
    runner = JobRunner(":memory:", jobs=[http])
    async with endpoint(hang) as receiver, serving(runner, http) as api:
        waiting = await published(api, receiver.url, Delay="1h")
        assert await cancelled(api, [waiting]) == 1
        assert await states(api) == ["CREATED", "CANCEL_REQUESTED", "CANCELED"]
        running = await published(api, receiver.url)
        await begun.wait()
        assert await states(api, messageId=running) == ["CREATED", "ACTIVE"]
        assert await states(api, messageId=running, state="IN_PROGRESS") == ["ACTIVE"]
        assert await cancelled(api, [running]) == 1
        await runner.run_until_idle()
        assert await states(api, messageIds=[running]) == ["CREATED", "ACTIVE", "CANCEL_REQUESTED", "CANCELED"]
        for name in ("CANCELED", "CANCELLED"):
            assert await states(api, state=name) == ["CANCELED"] * 2
        assert await states(api, state="CANCEL_REQUESTED") == ["CANCEL_REQUESTED"] * 2


async def test_a_cancel_of_a_message_in_flight_is_seen_before_it_has_stopped() -> None:
    begun, let_go = asyncio.Event(), asyncio.Event()

    async def hang(request: Received, writer: asyncio.StreamWriter) -> None:
        begun.set()
        await let_go.wait()

    http = unbroken()
    runner = JobRunner(":memory:", jobs=[http])
    async with endpoint(hang) as receiver, serving(runner, http) as api:
        message_id = await published(api, receiver.url)
        await begun.wait()
        job_id = runner.jobs.id_of(message_id)
        assert job_id is not None
        ended = asyncio.create_task(runner.jobs.wait(job_id))
        assert await cancelled(api) == 1
        assert "CANCEL_REQUESTED" in await states(api)
        let_go.set()
        await ended
        assert (await states(api)).count("CANCEL_REQUESTED") == 1


async def test_events_are_filtered_and_paged_to_the_last_one() -> None:
    http, clock = unbroken(), FakeClock()
    runner = JobRunner(":memory:", jobs=[http], clock=clock)
    async with endpoint(reply(500), reply(200)) as receiver, serving(runner, http) as api:
        first = await published(api, f"{receiver.url}/a?x=1", Label="a,b", Retry_Delay="1000")
        await until_idle(runner, clock)
        split = clock.now() // 1000
        second = await published(
            api, f"{receiver.url}/b", Label="b,c", Flow_Control_Key="k", Flow_Control_Value="rate=9"
        )
        await runner.publish(receiver.url)  # no message of the API
        await until_idle(runner, clock)
        everything = await listed(api, count=1000)
        of_first = [event for event in everything if event["messageId"] == first]
        of_second = [event for event in everything if event["messageId"] == second]
        assert everything == of_second + of_first
        for count in range(1, 12):
            assert await listed(api, count=count) == everything
        assert "cursor" not in (await api.get("/v2/events", params={"count": len(everything)})).json()
        for parameters, events in (
            ({"label": "a"}, of_first),
            ({"label": ["a", "c"]}, everything),
            ({"messageId": second}, of_second),
            ({"messageIds": [first, second, "x"]}, everything),
            ({"host": "127.0.0.1", "path": "/a"}, of_first),
            ({"url": f"{receiver.url}/a?x=1"}, of_first),
            ({"flowControlKey": "k"}, of_second),
            ({"fromDate": split}, of_second),
            ({"toDate": split - 1}, of_first),
            ({"host": "example.org"}, []),
            (
                {"state": ["ERROR", "RETRY"], "count": 1},
                [one for one in everything if one["state"] in {"ERROR", "RETRY"}],
            ),
        ):
            assert await listed(api, **parameters) == events, parameters
        for state in STATES:
            assert await listed(api, state=state, count=1) == [one for one in everything if one["state"] == state]


async def test_each_of_many_messages_is_delivered_exactly_once_by_its_events() -> None:
    http = unbroken()
    runner = JobRunner(":memory:", jobs=[http])
    async with endpoint(reply(503), reply(200)) as receiver, serving(runner, http) as api:
        ids = {await published(api, receiver.url, **QUICK) for _ in range(30)}
        await runner.run_until_idle()
        while len(delivered := await listed(api, state="DELIVERED", count=7)) < len(ids):
            await runner.run_until_idle()
        assert sorted(event["messageId"] for event in delivered) == sorted(ids)


async def test_a_request_looks_at_a_bounded_number_of_moments(monkeypatch: pytest.MonkeyPatch) -> None:
    http = unbroken()
    runner = JobRunner(":memory:", jobs=[http], max_running=0)
    async with serving(runner, http) as api:
        rare = await published(api, Label="rare")
        for _ in range(7):
            await published(api, Label="often")
        monkeypatch.setattr(moments, "MOST_LOOKED_AT", 4)
        monkeypatch.setattr(moments, "MOMENTS_AT_ONCE", 2)
        answer = (await api.get("/v2/events", params={"label": "rare"})).json()
        assert (answer["events"], "cursor" in answer) == ([], True)
        assert [event["messageId"] for event in await listed(api, label="rare")] == [rare]
        monkeypatch.setattr(moments, "LARGEST_ANSWER_CHARS", 1)
        monkeypatch.setattr(moments, "JOBS_READ_AT_ONCE", 1)
        assert len((await api.get("/v2/events")).json()["events"]) == 1
        assert len(await listed(api)) == 8


@pytest.mark.parametrize(("name", "value"), [("state", "DONE"), ("status", "ERROR"), ("count", "x"), ("fromDate", "x")])
async def test_an_unknown_filter_is_refused(name: str, value: str) -> None:
    async with serving() as api:
        refused = await api.get("/v2/events", params={name: value})
        assert (refused.status_code, name in refused.json()["error"]) == (400, True)
