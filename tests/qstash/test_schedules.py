"""The endpoints of schedules, and what their ticks publish."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from aiojobs_lite import JobRunner
from aiojobs_lite.testing import FakeClock
from tests.helpers.endpoints import endpoint, local, reply
from tests.helpers.qstash import serving
from tests.helpers.waiting import until

URL = "https://a.example/hook"
UNKNOWN = {"error": "there is no schedule 's': POST /v2/schedules/<destination> makes it"}
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)


@asynccontextmanager
async def scheduling(**options: Any) -> AsyncIterator[tuple[httpx.AsyncClient, JobRunner, FakeClock]]:
    """A client, and a runner whose clock is the test's."""
    clock = FakeClock(NOON)
    http = local()
    runner = JobRunner(":memory:", jobs=[http], clock=clock, **options)
    async with serving(runner, http) as api:
        yield api, runner, clock


async def put(api: httpx.AsyncClient, to: str = URL, body: bytes = b"", **headers: str) -> str:
    given = {"Upstash-Cron": "* * * * *", **{name.replace("_", "-"): value for name, value in headers.items()}}
    made = await api.post(f"/v2/schedules/{to}", headers=given, content=body)
    assert (made.status_code, [*made.json()]) == (200, ["scheduleId"]), made.text
    return str(made.json()["scheduleId"])


async def schedule(api: httpx.AsyncClient, schedule_id: str) -> Any:
    found = await api.get(f"/v2/schedules/{schedule_id}")
    assert found.status_code == 200, found.text
    return found.json()


def millis(instant: datetime) -> int:
    return int(instant.timestamp() * 1000)


async def test_a_schedule_is_shown_as_it_was_made() -> None:
    async with scheduling(max_running=0) as (api, _, clock):
        schedule_id = await put(
            api, f"{URL}?x=1", b'{"a":1}', Content_Type="application/json", Upstash_Forward_test_header="v",
            Upstash_Cron="CRON_TZ=Europe/Rome */10 * * * * ", Upstash_Method="GET", Upstash_Delay="10s",
            Upstash_Retries="5", Upstash_Timeout="1m", Upstash_Callback="https://example.com", Upstash_Label="x,y",
            Upstash_Failure_Callback="https://example.com/failure", Upstash_Queue_Name="q", Upstash_Schedule_Id="my.id",
            Upstash_Retry_Delay="1000 * retried", Upstash_Callback_Forward_k="w", Upstash_Flow_Control_Key="k",
            Upstash_Flow_Control_Value="parallelism=2",
        )  # fmt: skip
        assert schedule_id == "my.id"
        found = await schedule(api, schedule_id)
        listed = (await api.get("/v2/schedules")).json()
        assert (await api.get("/v2/queues/q")).json()["parallelism"] == 1
    assert listed == [found]
    assert found == {
        "scheduleId": "my.id", "cron": "CRON_TZ=Europe/Rome */10 * * * *", "destination": f"{URL}?x=1",
        "createdAt": millis(clock.time), "method": "GET", "body": '{"a":1}', "retries": 5, "delay": 10,
        "header": {"Content-Type": ["application/json"], "Test-Header": ["v"]}, "callbackHeader": {"K": ["w"]},
        "timeout": "60s", "callback": "https://example.com", "failureCallback": "https://example.com/failure",
        "queueName": "q", "callerIP": "192.0.2.7", "callerIp": "192.0.2.7", "isPaused": False, "label": "x",
        "labels": ["x", "y"], "retryDelayExpression": "1000 * retried", "flowControlKey": "k", "parallelism": 2,
        "period": 1, "nextScheduleTime": millis(NOON + timedelta(minutes=10)),
    }  # fmt: skip


async def test_each_tick_publishes_a_message_with_the_id_of_its_schedule() -> None:
    endpoints = endpoint(reply(200), reply(489, Upstash_NonRetryable_Error="true"))
    async with endpoints as receiver, scheduling() as (api, runner, clock):
        schedule_id = await put(api, f"{receiver.url}/a?b=1", b"hello")
        first, second = NOON + timedelta(minutes=1), NOON + timedelta(minutes=2)
        assert (await schedule(api, schedule_id))["nextScheduleTime"] == millis(first)
        clock.advance("1m")
        await until(lambda: runner.stats().completed == 1)
        found = await schedule(api, schedule_id)
        assert (found["lastScheduleTime"], found["nextScheduleTime"]) == (millis(first), millis(second))
        ((message_id, state),) = found["lastScheduleStates"].items()
        assert state == "SUCCESS"
        message = (await api.get(f"/v2/messages/{message_id}")).json()
        assert (message["scheduleId"], message["body"]) == (schedule_id, "hello")
        clock.advance("1m")
        await until(lambda: runner.stats().dead == 1)
        found = await schedule(api, schedule_id)
        assert ([*found["lastScheduleStates"].values()], "489" in found["error"]) == (["FAIL"], True)
        await runner.jobs.delete(int(message_id.rpartition("-")[2]))
    assert receiver.targets == ["/a?b=1", "/a?b=1"]
    assert receiver.received[0].header("Upstash-Schedule-Id") == schedule_id
    assert receiver.received[0].body == b"hello"


async def test_the_same_id_replaces_the_schedule_wholly_and_keeps_its_pause() -> None:
    async with scheduling(max_running=0) as (api, _, _clock):
        await put(api, f"{URL}/1", b"body", Upstash_Schedule_Id="s", Upstash_Forward_a="b", Upstash_Retries="0")
        for verb, method, is_paused in (
            ("pause", "PATCH", True), ("resume", "POST", False), ("resume", "PATCH", False), ("pause", "POST", True),
        ):  # fmt: skip
            changed = await api.request(method, f"/v2/schedules/s/{verb}")
            assert changed.status_code == 200
            assert (await schedule(api, "s"))["isPaused"] is is_paused
        await put(api, f"{URL}/2", Upstash_Schedule_Id="s", Upstash_Cron="5 * * * *")
        found = await schedule(api, "s")
        assert (found["destination"], found["cron"], found["retries"]) == (f"{URL}/2", "5 * * * *", 3)
        assert found.keys() & {"body", "header"} == set()
        assert found["isPaused"] is True
        assert (await api.delete("/v2/schedules/s")).status_code == 200
        for method, path in (("GET", "s"), ("DELETE", "s"), ("PATCH", "s/pause"), ("POST", "s/resume")):
            found = await api.request(method, f"/v2/schedules/{path}")
            assert (found.status_code, found.json()) == (404, UNKNOWN)
        assert (await api.get("/v2/schedules")).json() == []


async def test_a_cron_on_a_plain_publish_makes_a_schedule() -> None:
    async with scheduling(max_running=0) as (api, runner, _):
        made = await api.post(f"/v2/publish/{URL}", headers={"Upstash-Cron": "* * * * *"})
        assert made.status_code == 200
        assert (await schedule(api, made.json()["scheduleId"]))["destination"] == URL
        assert runner.stats().pending == 0


async def test_a_schedule_of_a_group_publishes_to_the_endpoints_that_it_has_then() -> None:
    async with endpoint(reply(200)) as receiver, scheduling() as (api, runner, clock):
        path = "/v2/topics/news/endpoints"
        await api.post(path, json={"endpoints": [{"url": "http://127.0.0.1:9/gone", "name": "gone"}]})
        schedule_id = await put(
            api, "news", b"secret", Upstash_Redact_Fields="body", Upstash_Retries="1", Upstash_Method="PUT",
            Upstash_Forward_a="b",
        )  # fmt: skip
        found = await schedule(api, schedule_id)
        assert (found["destination"], found["topicName"], found["retries"]) == ("news", "news", 1)
        assert found["body"].startswith("REDACTED:")
        await api.post(path, json={"endpoints": [{"url": f"{receiver.url}/1", "name": "a"}]})
        await api.post(path, json={"endpoints": [{"url": f"{receiver.url}/2"}]})
        await api.request("DELETE", path, json={"endpoints": [{"name": "gone"}]})
        clock.advance("1m")
        await until(lambda: runner.stats().completed == 3)
        states = (await schedule(api, schedule_id))["lastScheduleStates"]
        assert [*states.values()] == ["SUCCESS", "SUCCESS"]
        message = (await api.get(f"/v2/messages/{next(iter(states))}")).json()
        assert (message["topicName"], message["endpointName"], message["scheduleId"]) == ("news", "a", schedule_id)
        assert (message["url"], message["maxRetries"]) == (f"{receiver.url}/1", 1)
        assert message["body"] == found["body"]
        assert sorted(receiver.targets) == ["/1", "/2"]
        assert {(one.method, one.body, one.header("a")) for one in receiver.received} == {("PUT", b"secret", "b")}
        assert receiver.received[0].header("Upstash-Topic-Name") == "news"
        await api.delete("/v2/topics/news")
        clock.advance("1m")
        await until(lambda: runner.stats().completed == 4)
        assert "lastScheduleStates" not in await schedule(api, schedule_id)


async def test_a_schedule_through_a_queue_waits_for_it() -> None:
    async with endpoint(reply(200)) as receiver, scheduling() as (api, runner, clock):
        await api.post("/v2/topics/news/endpoints", json={"endpoints": [{"url": f"{receiver.url}/news"}]})
        await api.post("/v2/queues", json={"queueName": "q", "paused": True})
        await put(api, f"{receiver.url}/a", Upstash_Queue_Name="q")
        group_id = await put(api, "news", Upstash_Queue_Name="q")
        clock.advance("1m")
        await until(lambda: (runner.stats().pending, runner.stats().completed) == (2, 1))
        assert (await api.get("/v2/queues/q")).json()["lag"] == 2
        assert [*(await schedule(api, group_id))["lastScheduleStates"].values()] == ["IN_PROGRESS"]
        assert receiver.targets == []
        await api.post("/v2/queues/q/resume")
        await until(lambda: len(receiver.targets) == 2)


async def test_a_schedule_fires_after_a_restart_of_a_runner_without_the_api(tmp_path: Path) -> None:
    clock = FakeClock(NOON)
    async with endpoint(reply(200)) as receiver:
        http = local()
        async with serving(JobRunner(tmp_path / "jobs.db", jobs=[http], clock=clock), http) as api:
            await put(api, f"{receiver.url}/a", Upstash_Flow_Control_Key="k", Upstash_Flow_Control_Value="rate=1")
        async with JobRunner(tmp_path / "jobs.db", jobs=[local()], clock=clock) as runner:
            clock.advance("1m")
            await until(lambda: runner.stats().completed == 1)
            assert (await runner.limits.get("qstash rate", key="k")).state.most == 1
    assert receiver.targets == ["/a"]


@pytest.mark.parametrize(
    ("to", "headers", "status", "said"),
    [
        (URL, {"Upstash-Cron": ""}, 400, "there is no cron expression"),
        (URL, {"Upstash-Cron": "* * * *"}, 400, "* * * *"),
        (URL, {"Upstash-Cron": "* * * * * *"}, 400, "five fields"),
        (URL, {"Upstash-Cron": "CRON_TZ=Mars/Base * * * * *"}, 400, "Mars/Base"),
        (URL, {"Upstash-Schedule-Id": "a/b"}, 400, "Upstash-Schedule-Id='a/b'"),
        (URL, {"Upstash-Not-Before": "1767300000"}, 400, "none on a job of a schedule"),
        (URL, {"Upstash-Deduplication-Id": "x"}, 400, "a schedule publishes a new message at each tick"),
        (URL, {"Upstash-Content-Based-Deduplication": "true"}, 400, "a schedule publishes a new message"),
        ("ftp://a.example", {}, 400, "ftp://a.example"),
        ("http://", {}, 400, "http://"),
        ("news", {}, 404, "there is no url group 'news'"),
    ],
)
async def test_what_is_no_schedule_is_refused_and_nothing_is_written(
    to: str, headers: dict[str, str], status: int, said: str
) -> None:
    async with scheduling(max_running=0) as (api, _, _clock):
        refused = await api.post(f"/v2/schedules/{to}", headers={"Upstash-Cron": "* * * * *", **headers})
        assert (refused.status_code, said in refused.json()["error"]) == (status, True), refused.text
        assert (await api.get("/v2/schedules")).json() == []


async def test_all_schedules_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aiojobs_lite.qstash.schedules.LISTED_AT_ONCE", 2)
    async with serving() as api:
        for count in range(1, 6):
            headers = {"Upstash-Cron": "0 0 1 1 *", "Upstash-Schedule-Id": f"s{count}"}
            await api.post("/v2/schedules/https://a.example", headers=headers)
            listed = (await api.get("/v2/schedules")).json()
            assert [one["scheduleId"] for one in listed] == [f"s{number}" for number in range(1, count + 1)]
