"""`runner.publish` and that of a client: deliveries are jobs as any other."""

from __future__ import annotations

import asyncio
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from aiojobs_lite import JobClient, JobContext, JobRunner, injected
from aiojobs_lite.errors import ConfigurationError, InvalidOption, InvalidSchedule, UnknownJobType
from aiojobs_lite.http import DeliveryResult, Http, Publish
from aiojobs_lite.testing import FakeClock
from tests.helpers.endpoints import delivering, endpoint, local

URL = "https://example.com/hook"


async def test_a_request_is_published_delivered_and_its_answer_awaited() -> None:
    async with endpoint() as server, delivering() as runner:
        handle = await runner.publish(f"{server.url}/a?b=%7E", json={"a": 1}, label="l", metadata={"tenant": 7})
        result: DeliveryResult = await handle.result("5s")
        assert (result.status, result.body, result.header("content-length")) == (200, "ok", "2")
        assert 0 < result.latency < 5
        (received,) = server.received
        assert (received.method, received.target, received.json()) == ("POST", "/a?b=%7E", {"a": 1})
        job = await handle.job()
        assert (job.type, job.label, job.metadata) == ("http.delivery", "l", {"host": "127.0.0.1", "tenant": 7})


async def test_many_are_published_in_one_transaction_or_none() -> None:
    async with endpoint() as server, delivering() as runner:
        publishes = [Publish(f"{server.url}/{number}", method="PUT") for number in range(5)]
        handles = await runner.publish_many(publishes)
        await runner.run_until_idle()
        assert sorted(server.targets) == [f"/{number}" for number in range(5)]
        assert [(await handle.result("5s")).status for handle in handles] == [200] * 5
        assert await runner.publish_many([]) == []
        assert await runner.publish.many(iter(publishes[:1]))
        before = runner.stats().by_type["http.delivery"].pending
        for wrong in ([publishes[0], URL], [publishes[0], Publish(URL, priority="urgent")], URL):  # type: ignore[arg-type]
            with pytest.raises(InvalidOption):
                await runner.publish_many(wrong)  # type: ignore[arg-type]  # what is tested
        assert runner.stats().by_type["http.delivery"].pending == before


async def test_without_deliveries_among_the_job_types_the_error_says_what_to_add(database: Path) -> None:
    async with JobRunner(":memory:") as runner:
        for call in (lambda: runner.publish(URL), lambda: runner.publish_many([Publish(URL)])):
            with pytest.raises(UnknownJobType, match=r"Add the deliveries of aiojobs_lite\.http .*jobs=\[Http\(\), "):
                await call()

    def blocking() -> None:
        with JobClient(database) as client, pytest.raises(UnknownJobType, match=r"jobs=\[Http\(\)"):
            client.publish(URL)

    await asyncio.to_thread(blocking)


async def test_a_key_publishes_once() -> None:
    async with endpoint() as server, delivering() as runner:
        first = await runner.publish(server.url, json=1, idempotency_key="k")
        second = await runner.publish(server.url, json=1, idempotency_key="k")
        assert (first.id, first.is_new, second.is_new) == (second.id, True, False)
        await runner.run_until_idle()
        assert len(server.received) == 1


async def test_a_client_publishes_for_a_runner_in_another_place(database: Path) -> None:
    async with endpoint() as server:
        http = local()

        def blocking() -> list[int]:
            with JobClient(database, jobs=[http]) as client:
                one = client.publish(f"{server.url}/one", content="a")
                many = client.publish_many([Publish(f"{server.url}/two"), Publish(f"{server.url}/three")])
                return [handle.id for handle in (one, *many)]

        ids = await asyncio.to_thread(blocking)
        async with JobRunner(database, jobs=[http]) as runner:
            await runner.run_until_idle()
            assert [(await runner.jobs.get(job_id)).status for job_id in ids] == ["completed"] * 3
        assert sorted(server.targets) == ["/one", "/three", "/two"]


async def test_a_request_goes_wherever_a_job_type_does(database: Path) -> None:
    async with endpoint() as server:
        http = local()
        runner = JobRunner(database, jobs=[http])

        def request(path: str) -> Any:
            return http.request(f"{server.url}/{path}")

        @runner.job
        async def handler(ctx: JobContext = injected) -> list[int]:
            await ctx.enqueue(request("plain"))
            await ctx.enqueue_once("once", request("once"))
            ctx.enqueue_with_end(request("with-end"))
            invoked = await ctx.invoke("call", request("invoked"))
            assert isinstance(invoked, DeliveryResult)
            gathered = await ctx.gather("all", [request("gathered").bind()])
            return [invoked.status, gathered[0].status]

        async with runner:
            handle = await runner.enqueue(handler)
            assert await handle.result("10s") == [200, 200]
            async with runner.batches.open(on_success=request("success").bind()) as batch:
                await batch.enqueue(request("in-batch"))
            await runner.enqueue_many([request("many").using(label="x").bind()])
            connection = sqlite3.connect(database, isolation_level=None)
            connection.execute("BEGIN")
            await runner.enqueue_in(connection, request("transaction"))
            connection.execute("COMMIT")
            connection.close()
            await asyncio.to_thread(runner.enqueue_threadsafe, request("thread"))
            await runner.run_until_idle()
        sent = {
            "/plain", "/once", "/with-end", "/invoked", "/gathered", "/success", "/in-batch", "/many", "/transaction",
            "/thread",
        }  # fmt: skip
        assert set(server.targets) == sent


def test_a_client_and_a_runner_take_the_same_group() -> None:
    http = Http()
    assert http.request(URL).bind() == http.request(URL).bind()
    assert repr(http) == "<Jobs http.delivery, http.dead, http.fan_out>"


# By the clock.


async def test_each_tick_makes_a_delivery_of_its_own() -> None:
    clock = FakeClock()
    http = local()
    async with endpoint() as server, JobRunner(":memory:", jobs=[http], clock=clock) as runner:
        put = await runner.publish_cron(
            "hourly", "0 * * * *", f"{server.url}/tick", json={"a": 1}, method="PUT", max_attempts=3, label="l",
            backoff=["5s"], tz="Asia/Kolkata", overlap="queue", catch_up="all",
        )  # fmt: skip
        state = await runner.schedules.get("hourly")
        assert (put.is_new, state.type, state.tz, state.overlap, state.catch_up) == (
            True, "http.delivery", "Asia/Kolkata", "queue", "all",
        )  # fmt: skip
        first, second = await runner.schedules.upcoming("hourly", 2)
        assert first.minute == 30  # half an hour off
        for tick in (first, second):
            clock.jump_to(tick)
            await runner.run_until_idle()
        jobs = await runner.jobs.list()
        assert {(job.tick, job.max_attempts, job.label, job.metadata["host"]) for job in jobs} == {
            (first, 3, "l", "127.0.0.1"), (second, 3, "l", "127.0.0.1"),
        }  # fmt: skip
        assert [(one.method, one.target, one.json()) for one in server.received] == [("PUT", "/tick", {"a": 1})] * 2
        again = await runner.publish_cron("hourly", "0 * * * *", f"{server.url}/else", tz="Asia/Kolkata")
        assert (again.is_new, (await runner.schedules.get("hourly")).payload["url"]) == (False, f"{server.url}/else")


async def test_a_schedule_shows_no_secret_and_its_deliveries_have_it() -> None:
    secret = {"Authorization": "Bearer hunter2"}
    async with endpoint() as server, delivering() as runner:
        await runner.publish_cron(
            "s", "@yearly", server.url, content="hunter2", secret_headers=secret, secret_body=True
        )
        shown = f"{await runner.schedules.get('s')} {await runner.schedules.list()}"
        assert ("hunter2" in shown, "REDACTED" in shown) == (False, True)
        await (await runner.schedules.run_now("s")).result("5s")
        assert (server.received[0].body, server.received[0].header("authorization")) == (b"hunter2", "Bearer hunter2")


async def test_a_recurring_delivery_that_cannot_work_is_refused_and_nothing_is_stored() -> None:
    async with delivering(allow_private=False, allow_http=False) as runner:
        for options, problem in (
            ({"url": "http://example.com/"}, "a URL of https"),
            ({"url": "https://127.0.0.1/"}, "a public address"),
            ({"at": FakeClock().time}, "its ticks say when"),
            ({"idempotency_key": "k"}, "each tick makes one job of itself"),
            ({"callback": "ftp://example.com"}, "begins with https"),
            ({"tz": "Nowhere/City"}, "Nowhere/City"),
            ({"overlap": "drop"}, "'skip' or 'queue'"),
            ({"every": "1h"}, "every"),
        ):
            given: dict[str, Any] = {"url": URL, **options}
            with pytest.raises(ConfigurationError, match=re.escape(problem)):
                await runner.publish_cron("a", "0 3 * * *", given.pop("url"), **given)
        with pytest.raises(InvalidSchedule):
            await runner.publish_cron("a", "0 25 * * *", URL)
        assert await runner.schedules.list() == []
    async with JobRunner(":memory:") as runner:
        with pytest.raises(UnknownJobType, match=r"jobs=\[Http\(\)"):
            await runner.publish_cron("a", "0 3 * * *", URL)


async def test_a_client_publishes_by_the_clock_for_a_runner(database: Path) -> None:
    async with endpoint() as server:
        http = local()

        def blocking() -> bool:
            with JobClient(database, jobs=[http]) as client:
                return client.publish_cron("daily", "0 3 * * *", server.url, json=1, tz="Europe/London").is_new

        assert await asyncio.to_thread(blocking)
        async with JobRunner(database, jobs=[http]) as runner:
            assert (await runner.schedules.get("daily")).tz == "Europe/London"
            await (await runner.schedules.run_now("daily")).result("5s")
        assert server.received[0].json() == 1
