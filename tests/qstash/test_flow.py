"""The endpoints of flow control, and what they do to deliveries."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import pytest

from aiojobs_lite import JobRunner
from aiojobs_lite.http import PER_HOST_LIMIT
from aiojobs_lite.testing import FakeClock
from tests.helpers.endpoints import Received, endpoint, local, reply
from tests.helpers.qstash import serving
from tests.helpers.waiting import until

KEY = "customer/7 ü"
PINNED: Any = {"pin": {"rate": 1}}


def headers(value: str, key: str = KEY) -> Any:
    return httpx.Headers([("Upstash-Flow-Control-Key", key), ("Upstash-Flow-Control-Value", value)], encoding="latin-1")


async def flow(api: httpx.AsyncClient, key: str = KEY) -> Any:
    found = await api.get(f"/v2/flowControl/{key}")
    assert found.status_code == 200, found.text
    return found.json()


async def act(api: httpx.AsyncClient, verb: str, key: str = KEY, **parameters: Any) -> httpx.Response:
    return await api.post(f"/v2/flowControl/{key}/{verb}", params=parameters)


async def test_a_key_exists_from_the_publish_that_names_it_and_counts() -> None:
    gate = asyncio.Event()

    async def waits(_got: Received, writer: asyncio.StreamWriter) -> None:
        await gate.wait()
        writer.write(reply())

    async with endpoint(waits) as receiver:
        http, clock = local(), FakeClock()
        runner = JobRunner(":memory:", jobs=[http], clock=clock)
        async with serving(runner, http) as api:
            missing = await api.get(f"/v2/flowControl/{KEY}")
            assert (missing.status_code, "there is no flow-control key" in missing.json()["error"]) == (404, True)
            for number in range(5):
                made = await api.post(
                    f"/v2/publish/{receiver.url}/{number}", headers=headers("parallelism=2, rate=10, period=1m")
                )
                assert made.status_code == 200, made.text
            await api.post(
                f"/v2/publish/{receiver.url}/later", headers={**headers("rate=1", "x"), "Upstash-Delay": "1h"}
            )
            await until(lambda: receiver.open == 2)
            assert await flow(api) == {
                "flowControlKey": KEY, "waitListSize": 3, "parallelismMax": 2, "parallelismCount": 2, "rateMax": 10,
                "rateCount": 2, "ratePeriod": 60, "ratePeriodStart": int(clock.time.timestamp()), "isPaused": False,
                "isPinnedParallelism": False, "isPinnedRate": False,
            }  # fmt: skip
            assert await flow(api, "x") == {
                "flowControlKey": "x", "waitListSize": 0, "parallelismCount": 0, "rateMax": 1, "rateCount": 0,
                "ratePeriod": 1, "isPaused": False, "isPinnedParallelism": False, "isPinnedRate": False,
            }  # fmt: skip
            listed = (await api.get("/v2/flowControl")).json()
            assert [one["flowControlKey"] for one in listed] == [KEY, "x"]
            assert (await api.get("/v2/flowControl", params={"search": "omer"})).json() == listed[:1]
            found = await api.get("/v2/globalParallelism")
            assert found.json() == {"parallelismMax": 100, "parallelismCount": 2}
            assert (await runner.limits.get(PER_HOST_LIMIT, key="127.0.0.1")).taken == 2
            gate.set()
            await until(lambda: runner.stats().completed == 5)
    assert receiver.most_open == 2


async def test_the_latest_message_wins_unless_the_key_is_pinned() -> None:
    http = local()
    runner = JobRunner(":memory:", jobs=[http], max_running=0)
    async with serving(runner, http) as api:

        async def publish(value: str) -> tuple[Any, Any, Any]:
            await api.post("/v2/publish/http://127.0.0.1:9", headers=headers(value))
            found = await flow(api)
            return found.get("parallelismMax"), found.get("rateMax"), found["ratePeriod"]

        assert await publish("parallelism=5, rate=10, period=1m") == (5, 10, 60)
        assert await publish("parallelism=4") == (4, None, 1)
        await act(api, "pin", parallelism=3)
        assert await publish("parallelism=9, rate=2") == (3, 2, 1)
        await act(api, "pin", rate=20, period=120)
        assert await publish("parallelism=8, rate=1") == (3, 20, 120)
        found = await flow(api)
        assert (found["isPinnedParallelism"], found["isPinnedRate"]) == (True, True)
        await act(api, "unpin", parallelism="true", rate="false")
        found = await flow(api)
        assert (found["isPinnedParallelism"], found["isPinnedRate"], found["parallelismMax"]) == (False, True, 3)
        assert await publish("parallelism=8, rate=1") == (8, 20, 120)
        await act(api, "unpin", rate="True")
        assert await publish("parallelism=8, rate=1") == (8, 1, 1)
        await act(api, "pin", period=30)
        assert await publish("rate=7") == (None, 1, 30)


async def test_a_paused_key_delivers_nothing_until_it_is_resumed() -> None:
    async with endpoint() as receiver:
        http = local()
        runner = JobRunner(":memory:", jobs=[http])
        async with serving(runner, http) as api:
            assert (await act(api, "pause")).status_code == 200
            await api.post(f"/v2/publish/{receiver.url}/a", headers=headers("parallelism=5"))
            await api.post(f"/v2/publish/{receiver.url}/b", headers=headers("parallelism=5", "other"))
            await until(lambda: receiver.targets == ["/b"])
            found = await flow(api)
            assert (found["isPaused"], found["waitListSize"], found["parallelismMax"]) == (True, 1, 5)
            await act(api, "resume")
            await until(lambda: receiver.targets == ["/b", "/a"])
            assert (await flow(api))["isPaused"] is False


@pytest.mark.parametrize("verb", ["resetRate", "pin"])
async def test_a_rate_that_is_reset_or_pinned_begins_anew(verb: str) -> None:
    async with endpoint() as receiver:
        http, clock = local(), FakeClock()
        runner = JobRunner(":memory:", jobs=[http], clock=clock)
        async with serving(runner, http) as api:
            for number in range(3):
                await api.post(f"/v2/publish/{receiver.url}/{number}", headers=headers("rate=1, period=1h"))
            await until(lambda: runner.stats().completed == 1)
            assert ((await flow(api))["rateCount"], (await flow(api))["waitListSize"]) == (1, 2)
            await act(api, verb, **PINNED.get(verb, {}))
            await until(lambda: runner.stats().completed == 2)
            assert (await flow(api))["ratePeriod"] == 3600
            await act(api, "pause")
            await act(api, "resetRate")
            assert (await flow(api))["rateCount"] == 0


@pytest.mark.parametrize(
    ("verb", "parameters", "said"),
    [
        ("pin", {}, "nothing is pinned: give parallelism, rate or period"),
        ("pin", {"parallelism": "0"}, "parallelism='0': expected a whole number from 1 to 1,000,000"),
        ("pin", {"rate": "many"}, "rate='many': expected a whole number"),
        ("pin", {"period": "8d"}, "period='8d': expected seconds, at most a week"),
        ("pin", {"period": "soon"}, "period='soon'"),
        ("pin", {"rates": "1"}, "the parameter 'rates' is unknown: give parallelism, period, rate"),
        ("unpin", {"rate": "1"}, "rate='1': expected true or false"),
    ],
)
async def test_what_cannot_be_pinned_is_refused_and_nothing_is_written(verb: str, parameters: Any, said: str) -> None:
    async with serving() as api:
        await act(api, "pause", "k")
        before = await flow(api, "k")
        refused = await act(api, verb, "k", **parameters)
        assert refused.status_code == 400
        assert said in refused.json()["error"]
        assert await flow(api, "k") == before


@pytest.mark.parametrize("verb", ["unpin", "resetRate"])
async def test_a_key_that_is_not_known_has_nothing_to_take_back(verb: str) -> None:
    async with serving() as api:
        assert (await act(api, verb, "k")).status_code == 404


async def test_a_queue_and_a_flow_control_key_count_together() -> None:
    async with endpoint() as receiver:
        http = local()
        runner = JobRunner(":memory:", jobs=[http])
        async with serving(runner, http) as api:
            await act(api, "pause", "k")
            await api.post(f"/v2/enqueue/q/{receiver.url}/a", headers=headers("parallelism=5", "k"))
            await api.post(f"/v2/enqueue/q/{receiver.url}/b")
            await until(lambda: runner.stats().completed == 1)
            assert receiver.targets == ["/b"]
            assert (await api.get("/v2/queues/q")).json()["lag"] == 1
            await act(api, "resume", "k")
            await until(lambda: receiver.targets == ["/b", "/a"])


async def test_where_nothing_delivers_nothing_is_delivered_at_once() -> None:
    async with serving(JobRunner(":memory:"), local()) as api:
        found = await api.get("/v2/globalParallelism")
    assert (found.status_code, found.json()) == (200, {"parallelismMax": 0, "parallelismCount": 0})
