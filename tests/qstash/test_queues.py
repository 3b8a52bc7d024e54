"""The endpoints of queues, and in what order their messages are delivered."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path
from typing import Any

import httpx
import pytest

from aiojobs_lite import JobRunner
from aiojobs_lite.http import PER_HOST_LIMIT
from aiojobs_lite.model.documents import DeleteDocument
from aiojobs_lite.model.limits import ChangeLimit, PauseLimit
from aiojobs_lite.stores.open import open_store
from aiojobs_lite.testing import FakeClock
from tests.helpers.clocks import has_timer
from tests.helpers.endpoints import Received, endpoint, local, reply
from tests.helpers.fault_store import FULL, LATE_S, Fault, FaultStore, Kind, holding
from tests.helpers.qstash import serving
from tests.helpers.waiting import until


async def queue(api: httpx.AsyncClient, name: str) -> Any:
    found = await api.get(f"/v2/queues/{name}")
    assert found.status_code == 200, found.text
    return found.json()


async def test_a_queue_is_made_changed_listed_and_deleted() -> None:
    async with serving() as api:
        made = await api.post("/v2/queues", json={"queueName": "letters"})
        assert (made.status_code, made.content) == (200, b"")
        found = await queue(api, "letters")
        created_at, updated_at = found.pop("createdAt"), found.pop("updatedAt")
        assert found == {"name": "letters", "parallelism": 1, "lag": 0, "paused": False}
        await api.post("/v2/queues", json={"queueName": "letters", "parallelism": 5, "paused": True})
        await api.post("/v2/queues", json={"queueName": "bills", "parallelism": 2})
        listed = (await api.get("/v2/queues")).json()
        assert [(one["name"], one["parallelism"], one["paused"]) for one in listed] == [
            ("bills", 2, False), ("letters", 5, True),
        ]  # fmt: skip
        assert (listed[1]["createdAt"], listed[1]["updatedAt"] >= updated_at) == (created_at, True)
        await api.post("/v2/queues", json={"queueName": "letters", "paused": False})
        found = await queue(api, "letters")
        assert (found["parallelism"], found["paused"]) == (5, False)
        for _ in range(2):
            assert (await api.delete("/v2/queues/letters")).status_code == 200
        assert [one["name"] for one in (await api.get("/v2/queues")).json()] == ["bills"]
        gone = await api.get("/v2/queues/letters")
        assert (gone.status_code, gone.json()) == (
            404,
            {"error": "there is no queue 'letters': POST /v2/queues makes it"},
        )
        assert (await api.post("/v2/queues/letters/pause")).status_code == 404


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (None, "the body names no queue"),
        ([], "the body names no queue"),
        ({"parallelism": 1}, "the body names no queue"),
        ({"queueName": "a/b"}, "queueName='a/b'"),
        ({"queueName": None}, "queueName=None"),
        ({"queueName": "a", "parallelism": 0}, "parallelism=0"),
        ({"queueName": "a", "parallelism": "1"}, "parallelism='1'"),
        ({"queueName": "a", "paused": 1}, "paused=1"),
    ],
)
async def test_what_is_no_queue_is_refused_and_nothing_is_written(body: Any, said: str) -> None:
    async with serving() as api:
        refused = await api.post("/v2/queues", json=body)
        assert refused.status_code == 400
        assert said in refused.json()["error"]
        assert (await api.get("/v2/queues")).json() == []


async def test_a_paused_queue_takes_messages_and_delivers_none_until_it_is_resumed() -> None:
    async with endpoint(reply(200)) as receiver:
        http = local()
        runner = JobRunner(":memory:", jobs=[http])
        async with serving(runner, http) as api:
            await api.post("/v2/queues", json={"queueName": "a", "paused": True})
            await api.post(f"/v2/enqueue/a/{receiver.url}/1", headers={"Upstash-Delay": "1h"})
            made = await api.post(f"/v2/enqueue/a/{receiver.url}/2")
            assert made.status_code == 200
            await runner.run_until_idle()
            assert (await queue(api, "a"))["lag"] == 2
            assert receiver.targets == []
            await api.post("/v2/queues/a/resume")
            await api.post("/v2/queues/b/resume")
            await api.post(f"/v2/enqueue/b/{receiver.url}/3")
            await until(lambda: len(receiver.targets) == 1)
            assert (await queue(api, "b"))["parallelism"] == 1
            await api.post("/v2/queues/a/pause")
            assert (await queue(api, "a"))["paused"] is True


async def test_a_queue_of_one_keeps_the_order_over_hosts_and_retries() -> None:
    failures = Counter[str]()

    async def fails_once(got: Received, writer: asyncio.StreamWriter) -> None:
        failures[got.target] += 1
        status = 503 if got.target in {"/0", "/3"} and failures[got.target] == 1 else 200
        writer.write(reply(status))

    async with endpoint(fails_once) as receiver:
        http = local()
        runner = JobRunner(":memory:", jobs=[http])
        async with serving(runner, http) as api:
            other = receiver.url.replace("127.0.0.1", "localhost")
            for number in range(6):
                base = other if number % 2 else receiver.url
                await api.post(f"/v2/enqueue/q/{base}/{number}", headers={"Upstash-Retry-Delay": "20"})
            await until(lambda: runner.stats().completed == 6)
            assert (await queue(api, "q"))["lag"] == 0
    assert receiver.targets == ["/0", "/0", "/1", "/2", "/3", "/3", "/4", "/5"]
    assert receiver.most_open == 1


async def test_a_queue_of_three_delivers_three_at_once_and_its_host_counts() -> None:
    gate = asyncio.Event()

    async def waits(_got: Received, writer: asyncio.StreamWriter) -> None:
        await gate.wait()
        writer.write(reply())

    async with endpoint(waits) as receiver:
        http = local()
        runner = JobRunner(":memory:", jobs=[http])
        async with serving(runner, http) as api:
            await api.post("/v2/queues", json={"queueName": "q", "parallelism": 3})
            for number in range(5):
                await api.post(f"/v2/enqueue/q/{receiver.url}/{number}")
            await until(lambda: receiver.open == 3)
            assert (await queue(api, "q"))["lag"] == 5
            assert (await runner.limits.get(PER_HOST_LIMIT, key="127.0.0.1")).taken == 3
            await api.post("/v2/queues", json={"queueName": "q", "parallelism": 4})
            await until(lambda: receiver.open == 4)
            gate.set()
            await until(lambda: runner.stats().completed == 5)
    assert receiver.most_open == 4


async def test_the_messages_of_a_queue_that_is_deleted_are_delivered() -> None:
    async with endpoint(reply(200)) as receiver:
        http = local()
        runner = JobRunner(":memory:", jobs=[http])
        async with serving(runner, http) as api:
            await api.post("/v2/queues", json={"queueName": "q", "parallelism": 2, "paused": True})
            await api.post(f"/v2/enqueue/q/{receiver.url}/1")
            await api.delete("/v2/queues/q")
            await until(lambda: receiver.targets == ["/1"])
            assert (await api.get("/v2/queues")).json() == []


@pytest.mark.parametrize("is_dead", [False, True])
async def test_the_next_message_of_a_queue_waits_for_the_callbacks_of_the_one_before(is_dead: bool) -> None:
    failures = Counter[str]()

    async def fails_once(got: Received, writer: asyncio.StreamWriter) -> None:
        failures[got.target] += 1
        is_first = failures[got.target] == 1
        writer.write(reply(503 if (got.target == "/0" and is_dead) or (got.target != "/1" and is_first) else 200))

    async with endpoint(fails_once) as receiver:
        http = local()
        runner = JobRunner(":memory:", jobs=[http])
        async with serving(runner, http) as api:
            again = {"Upstash-Retry-Delay": "20", "Upstash-Retries": "1"}
            calls = {
                "Upstash-Callback": f"{receiver.url}/back", "Upstash-Callback-Retry-Delay": "20",
                "Upstash-Failure-Callback": f"{receiver.url}/failed", "Upstash-Failure-Callback-Retry-Delay": "20",
            }  # fmt: skip
            first = await api.post(f"/v2/enqueue/q/{receiver.url}/0", headers={**again, **calls})
            await api.post(f"/v2/enqueue/q/{receiver.url}/1")
            expected = {"/0": 2, "/1": 1, "/back": 3, **({"/failed": 2} if is_dead else {})}
            await until(lambda: Counter(receiver.targets) == expected)
            await until(lambda: runner.stats().processing == 0)
            assert (await queue(api, "q"))["lag"] == 0
    sent_back = {place: one.json() for place, one in enumerate(receiver.received) if one.target in {"/back", "/failed"}}
    assert {one["retried"] for one in sent_back.values()} == {0, 1}
    assert max(place for place, one in sent_back.items() if one["retried"] == 1) < receiver.targets.index("/1")
    failed = [one["dlqId"] for one in sent_back.values() if "dlqId" in one]
    assert failed == [first.json()["messageId"]] * (2 if is_dead else 0)


async def test_a_callback_that_dies_keeps_no_message_back() -> None:
    async def answers(got: Received, writer: asyncio.StreamWriter) -> None:
        writer.write(reply(489 if got.target == "/back" else 200, Upstash_NonRetryable_Error="true"))

    async with endpoint(answers) as receiver:
        http = local()
        runner = JobRunner(":memory:", jobs=[http])
        async with serving(runner, http) as api:
            made = await api.post(
                f"/v2/enqueue/q/{receiver.url}/0", headers={"Upstash-Callback": f"{receiver.url}/back"}
            )
            await api.post(f"/v2/enqueue/q/{receiver.url}/1")
            await until(lambda: runner.stats().completed == 3)  # and the report of the death
            job = await runner.jobs.get(int(made.json()["messageId"].rpartition("-")[2]))
    assert receiver.targets == ["/0", "/back", "/1"]
    assert (job.status, job.attempts, job.result["status"], runner.stats().dead) == ("completed", 1, 200, 1)


async def test_a_callback_that_takes_long_keeps_the_order_and_no_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aiojobs_lite.http.delivery.CALLBACK_PATIENCE_S", 0.01)
    gate = asyncio.Event()

    async def answers(got: Received, writer: asyncio.StreamWriter) -> None:
        if got.target == "/back":
            await gate.wait()
        writer.write(reply())

    async with endpoint(answers) as receiver:
        http, clock = local(), FakeClock()
        runner = JobRunner(":memory:", jobs=[http], clock=clock)
        async with serving(runner, http) as api:
            made = await api.post(
                f"/v2/enqueue/q/{receiver.url}/0", headers={"Upstash-Callback": f"{receiver.url}/back"}
            )
            await api.post(f"/v2/enqueue/q/{receiver.url}/1")
            await until(lambda: (runner.stats().running, receiver.targets) == (1, ["/0", "/back"]))
            assert (await queue(api, "q"))["lag"] == 2
            gate.set()
            await until(lambda: runner.stats().completed == 1)
            assert receiver.targets == ["/0", "/back"]
            monkeypatch.setattr(
                "aiojobs_lite.http.delivery.CALLBACK_PATIENCE_S", 60.0
            )  # it has ended: one look is enough
            clock.advance("10s")
            await until(lambda: runner.stats().completed == 3)
            job = await runner.jobs.get(int(made.json()["messageId"].rpartition("-")[2]))
    assert receiver.targets == ["/0", "/back", "/1"]
    assert (job.attempts, job.snoozes) == (1, 1)


async def test_a_message_of_a_queue_that_is_redriven_is_sent_again_and_so_are_its_callbacks() -> None:
    async with endpoint(reply(489, Upstash_NonRetryable_Error="true"), reply(200)) as receiver:
        http = local()
        runner = JobRunner(":memory:", jobs=[http])
        async with serving(runner, http) as api:
            made = await api.post(
                f"/v2/enqueue/q/{receiver.url}/0",
                headers={
                    "Upstash-Callback": f"{receiver.url}/back", "Upstash-Failure-Callback": f"{receiver.url}/failed",
                },
            )  # fmt: skip
            await until(lambda: runner.stats().dead == 1)
            await runner.run_until_idle()
            await runner.jobs.redrive(int(made.json()["messageId"].rpartition("-")[2]))
            await until(lambda: runner.stats().dead == 0)
            await runner.run_until_idle()
    assert receiver.targets == ["/0", "/back", "/failed", "/0", "/back"]


# A queue is a document and a limit: two writes.


async def test_what_a_client_left_half_changed_is_whole_after_the_next_look(database: Path) -> None:
    store, http = FaultStore(open_store(database, "full"), has_inline=True), local()
    runner = JobRunner(store, jobs=[http], max_running=0)
    async with serving(runner, http) as api:
        await api.post("/v2/queues", json={"queueName": "q", "parallelism": 2})
        store.faults = [Fault(method=one, when=holding(ChangeLimit), error=FULL) for one in ("apply", "inline")]
        refused = await api.post("/v2/queues", json={"queueName": "q", "parallelism": 5})
        assert (refused.status_code, "Repeat the call later" in refused.json()["error"]) == (503, True)
        store.faults = []
        assert (await runner.limits.get("qstash queue", key="q")).state.most == 2
        await until_store_works(runner)
        assert [one["parallelism"] for one in (await api.get("/v2/queues")).json()] == [5]
        assert (await runner.limits.get("qstash queue", key="q")).state.most == 5


async def test_of_two_programs_that_change_a_queue_at_once_the_later_one_is_followed(database: Path) -> None:
    clock, made = FakeClock(), [local(), local()]
    late = Fault(Kind.LATE, when=holding(ChangeLimit), at=1)
    store = FaultStore(open_store(database, "full"), late, clock=clock)
    first = JobRunner(store, jobs=[made[0]], max_running=0, clock=clock)
    second = JobRunner(database, jobs=[made[1]], max_running=0, clock=clock)
    async with serving(first, made[0]) as one, serving(second, made[1]) as other:
        changing = asyncio.ensure_future(one.post("/v2/queues", json={"queueName": "q", "parallelism": 3}))
        await until(lambda: store.was_met(late))
        await other.post("/v2/queues", json={"queueName": "q", "parallelism": 5})
        await until(lambda: has_timer(clock))
        clock.advance(LATE_S)
        assert (await changing).status_code == 200
        assert (await second.limits.get("qstash queue", key="q")).state.most == 5


@pytest.mark.parametrize("write", [PauseLimit, DeleteDocument, ChangeLimit])
async def test_a_queue_of_which_a_deletion_failed_holds_nothing_back(write: type, database: Path) -> None:
    store, http = FaultStore(open_store(database, "full"), has_inline=True), local()
    runner = JobRunner(store, jobs=[http])
    async with endpoint() as receiver, serving(runner, http) as api:
        await api.post("/v2/queues", json={"queueName": "q", "parallelism": 2, "paused": True})
        store.faults = [Fault(method=one, when=holding(write), error=FULL) for one in ("apply", "inline")]
        assert (await api.delete("/v2/queues/q")).status_code == 503
        store.faults = []
        await until_store_works(runner)
        is_there = (await api.get("/v2/queues/q")).status_code == 200
        if is_there:  # so it can be resumed
            assert (await api.post("/v2/queues/q/resume")).status_code == 200
        await api.post(f"/v2/enqueue/q/{receiver.url}/1")
        await until(lambda: receiver.targets == ["/1"])


async def until_store_works(runner: JobRunner) -> None:
    await until(lambda: runner.stats().degraded is None)


async def test_all_queues_are_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aiojobs_lite.qstash.api.LISTED_AT_ONCE", 2)
    async with serving() as api:
        for count in range(1, 6):
            await api.post("/v2/queues", json={"queueName": f"q{count}"})
            assert [one["name"] for one in (await api.get("/v2/queues")).json()] == [
                f"q{number}" for number in range(1, count + 1)
            ]
