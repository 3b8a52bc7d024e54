"""Deliveries to receivers and by publishers that mean no good, and in the middle of what else happens."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from aiojobs_lite import JobCancelled, JobDead, JobRunner
from aiojobs_lite.http import Publish
from aiojobs_lite.model.job import Outcome, Status
from tests.helpers.endpoints import Names, Received, delivering, endpoint, local, reply
from tests.helpers.pauses import work_for
from tests.helpers.waiting import until


async def silent(_: Received, writer: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()


async def dribbling(_: Received, writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        writer.write(b"x")
        await writer.drain()
        await work_for(0.01)


async def test_a_redriven_delivery_has_its_true_secrets_and_its_failure_callback_once_more() -> None:
    async with endpoint() as back, endpoint(reply(404)) as server, delivering() as runner:
        secret = {"Authorization": "Bearer hunter2"}
        handle = await runner.publish(
            server.url, content="hunter2", secret_body=True, secret_headers=secret, failure_callback=back.url
        )
        for deaths in (1, 2):
            await runner.run_until_idle()
            assert len(back.received) == deaths
            if deaths == 1:
                await runner.jobs.redrive(handle.id)
        assert [(one.body, one.header("authorization")) for one in server.received] == [
            (b"hunter2", "Bearer hunter2")
        ] * 2
        assert b"hunter2" not in b"".join(one.body for one in back.received)


async def test_a_delivery_that_is_cancelled_in_flight_lets_go_and_calls_nothing_back() -> None:
    async with endpoint() as back, endpoint(silent) as server, delivering() as runner:
        handle = await runner.publish(server.url, callback=back.url, failure_callback=back.url)
        await until(lambda: server.open == 1)
        await runner.jobs.cancel(handle.id, "not wanted any more")
        with pytest.raises(JobCancelled):
            await handle.result("10s")
        await runner.run_until_idle()
        assert back.received == []
        assert len(await runner.jobs.list()) == 1


async def test_a_drain_while_an_answer_dribbles_gives_the_attempt_back(database: Path) -> None:
    async with endpoint(dribbling) as server:
        async with JobRunner(database, jobs=[local()], drain_timeout=0) as runner:
            handle = await runner.publish(server.url)
            await until(lambda: server.open == 1)
        async with JobRunner(database, jobs=[local()], max_running=0) as runner:
            job = await runner.jobs.get(handle.id)
    assert (job.status, job.attempts, job.interruptions) == (Status.PENDING, 0, 1)
    assert [attempt.outcome for attempt in job.history] == [Outcome.INTERRUPTED]


async def test_a_callback_that_fails_has_no_callback_of_its_own() -> None:
    async with endpoint(reply(404)) as both, delivering() as runner:
        callback = Publish(f"{both.url}/failed", max_attempts=2)
        await runner.publish(f"{both.url}/hook", failure_callback=callback)
        await runner.run_until_idle()
        assert both.targets == ["/hook", "/failed"]


async def test_an_address_of_ipv6_is_called_and_its_limit_has_no_brackets() -> None:
    async with endpoint(address="::1") as server, delivering() as runner:
        url = server.url.replace("http://::1", "http://[0:0::1]")
        handle = await runner.publish(url, json=1)
        assert (await handle.result("10s")).status == 200
        assert (await handle.job()).metadata["host"] == "::1"
        assert (server.received[0].header("host") or "").startswith("[::1]:")


@pytest.mark.parametrize("host", ["BÜCHER.example", "bücher.EXAMPLE", "xn--bcher-kva.example"])
async def test_all_spellings_of_a_name_are_one_host(host: str) -> None:
    names = Names(["127.0.0.1"])
    async with endpoint() as server, delivering(resolver=names) as runner:
        port = server.url.rpartition(":")[2]
        handle = await runner.publish(f"http://{host}:{port}/")
        await handle.result("10s")
        assert (await handle.job()).metadata["host"] == "xn--bcher-kva.example"
    assert names.asked == ["xn--bcher-kva.example"]
    assert server.received[0].header("host") == f"xn--bcher-kva.example:{port}"


async def test_a_header_of_many_kilobytes_is_sent_and_one_above_the_limit_of_the_receiver_is_its_answer() -> None:
    async with endpoint(reply(431)) as server, delivering() as runner:
        handle = await runner.publish(server.url, headers={"X-Large": "x" * 8000})
        with pytest.raises(JobDead, match="431"):
            await handle.result("10s")
        assert server.received[0].header("x-large") == "x" * 8000


async def test_a_receiver_that_closes_each_connection_costs_no_attempt() -> None:
    async with endpoint(reply(200, b"ok", Connection="close")) as server, delivering() as runner:
        for handle in await runner.publish_many([Publish(server.url)] * 5):
            await handle.result("10s")
            assert (await handle.job()).attempts == 1
        assert server.connections == 5
