"""The apps of a database: known after a restart, asked to register themselves, and logged while they are away."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from aiojobs_lite import JobRunner, Status
from aiojobs_lite.inngest import inngest_app
from aiojobs_lite.inngest.apps import Apps
from aiojobs_lite.inngest.cancellers import Cancellers
from aiojobs_lite.inngest.functions import FunctionConfig
from aiojobs_lite.inngest.keys import SigningKey
from aiojobs_lite.testing import JobKit
from aiojobs_lite.testing.probe import Probe
from tests.helpers.endpoints import Received, endpoint, reply
from tests.helpers.inngest import SIGNING_KEY, hashed, operation, sdk
from tests.helpers.inngest_app import shop
from tests.helpers.waiting import until


def functions(url: str, *names: str) -> dict[str, Any]:
    """A registration of an app with functions, each started by the event of its name."""
    listed = [
        {
            "id": f"shop-{name}", "name": name, "triggers": [{"event": f"shop/{name}"}],
            "steps": {"step": {"runtime": {"type": "http", "url": url}}},
        }
        for name in names
    ]  # fmt: skip
    return {"appName": "shop", "url": url, "functions": listed}


@asynccontextmanager
async def served(folder: Path) -> AsyncIterator[tuple[JobRunner, httpx.AsyncClient]]:
    """A runner on a file in a folder, and a client of its application."""
    runner = JobRunner(folder / "jobs.db", durability="normal")
    app = inngest_app(runner, mode="dev", look_every=0.1)
    client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://inngest.test")
    async with runner, client:
        yield runner, client


async def test_what_is_registered_is_known_after_a_restart(tmp_path: Path) -> None:
    async with endpoint(sdk(200, {"a": 1})) as server:
        async with served(tmp_path) as (_, client):
            answer = await client.post("/fn/register", json=functions(f"{server.url}/api/inngest", "pay"))
            assert answer.json()["ok"]
        async with served(tmp_path) as (runner, _):
            await until(lambda: "shop-pay" in runner.stats().by_type)
            sent = await runner.send("shop/pay", {})
            assert await sent.handles[0].result(10) == {"a": 1}


async def test_an_app_that_cannot_be_taken_over_keeps_no_other_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with endpoint(sdk(200, {"a": 1})) as server:
        async with served(tmp_path) as (runner, client):
            await client.post("/fn/register", json=functions(f"{server.url}/api/inngest", "pay"))
            await runner.documents.put("inngest.app", "a", {"functions": {"a-x": ""}})  # before the other by its name
            await runner.documents.put("inngest.function", "a-x", {"app": "a", "config": {"id": "a-x", "steps": 5}})
        async with served(tmp_path) as (runner, _):
            await until(lambda: "shop-pay" in runner.stats().by_type)
    assert "app a was registered by another version" in caplog.text


async def test_a_registration_in_one_runner_reaches_another_one_of_the_database(tmp_path: Path) -> None:
    async with endpoint(sdk(200, {"a": 1})) as server, served(tmp_path) as (_, client), served(tmp_path) as (other, _):
        await client.post("/fn/register", json=functions(f"{server.url}/api/inngest", "pay"))
        await until(lambda: "shop-pay" in other.stats().by_type)
        await client.post("/fn/register", json=functions(f"{server.url}/api/inngest", "mail"))
        await until(lambda: "shop-mail" in other.stats().by_type)
        assert "shop-pay" not in other.stats().by_type  # the second registration has it no more


async def test_a_run_that_begins_while_its_app_is_taken_over_finds_all_functions_of_the_app(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opts = {"function_id": "shop-mail", "payload": {"data": {}}}
    is_over, put = asyncio.Event(), Cancellers.put

    async def answer(received: Received, writer: Any) -> None:
        body = received.json()
        is_end = body["event"]["name"] != "shop/pay" or body["steps"]
        writer.write(sdk(200, body["steps"]) if is_end else sdk(206, [operation("InvokeFunction", "a", opts=opts)]))

    async def put_late(cancellers: Cancellers, config: FunctionConfig) -> None:
        await is_over.wait()
        await put(cancellers, config)

    async with endpoint(answer) as server:
        async with served(tmp_path) as (runner, client):
            await client.post("/fn/register", json=functions(f"{server.url}/api/inngest", "pay", "mail"))
            await runner.types.pause("shop-pay")
            (sent,) = (await runner.send("shop/pay", {})).handles
        async with JobRunner(tmp_path / "jobs.db") as other:
            await other.types.resume("shop-pay")
        monkeypatch.setattr(Cancellers, "put", put_late)  # the functions are job types by then
        async with served(tmp_path) as (runner, _):
            finished = await runner.jobs.wait(sent.id)
            is_over.set()
    assert (finished.status, finished.result) == (Status.COMPLETED, {hashed("a"): {"data": {}}})


async def test_an_app_is_asked_to_register_and_logged_once_while_it_is_away(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO, "aiojobs_lite.inngest")
    methods = list[str]()
    answers = iter([reply(500, b"\x1b[31mbroken\r\n\xe2\x80\xaenekorb")] * 3)

    async def answer(received: Received, writer: Any) -> None:
        methods.append(received.method)
        writer.write(next(answers, reply(200)))

    async with endpoint(answer) as server:
        url = f"{server.url}/api/inngest"
        runner = JobRunner(":memory:")
        app = inngest_app(runner, mode="dev", apps=[url], look_every=0.1)
        client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://inngest.test")
        async with runner, client:
            assert (await client.post("/fn/register", json={"appName": "shop", "functions": []})).status_code == 200
            await until(lambda: len(methods) >= 4)
            await until(lambda: any("is back" in record.getMessage() for record in caplog.records))
    assert set(methods) == {"PUT"}
    lines = [record.getMessage() for record in caplog.records if record.name == "aiojobs_lite.inngest"]
    problem = r"it answered 500: \x1b[31mbroken\r\n\u202enekorb"
    assert [line for line in lines if url in line] == [
        f"app {url} did not register itself: {problem}; it is asked again each 0.1 s",
        f"app {url} is back",
    ]


async def test_an_app_whose_registration_goes_elsewhere_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Such as one with INNGEST_DEV=http://host/inngest: SDKs leave the path out."""
    async with endpoint(reply(200)) as server:
        runner = JobRunner(":memory:")
        inngest_app(runner, mode="dev", apps=[f"{server.url}/x"], look_every=0.1)
        async with runner:
            await until(lambda: "did not register itself" in caplog.text)
    assert "it answered 200, and no registration came: its SDK calls /fn/register at the root of" in caplog.text


async def test_a_registration_that_is_refused_is_logged_once_with_its_reason(
    job_kit: JobKit, caplog: pytest.LogCaptureFixture
) -> None:
    def refused() -> list[str]:
        return [text for record in caplog.records if "was not registered" in (text := record.getMessage())]

    async with shop(job_kit, lambda _: sdk(200, 1), mode="cloud", event_key="events", signing_key=SIGNING_KEY) as made:
        wrong = made.function(id="shop-odd", triggers=[{"cron": "* * *"}])
        key = {"Authorization": f"Bearer {SigningKey(SIGNING_KEY).bearer}"}
        for _ in range(2):
            assert (await made.register(made.function())).status_code == 401
            assert (await made.register(wrong, **key)).status_code == 400
        assert refused() == [
            "an app at 127.0.0.1 was not registered: the signing key is wrong or missing: set INNGEST_SIGNING_KEY in"
            " the app",
            "an app at 127.0.0.1 was not registered: shop-odd.triggers.cron='* * *': expected a cron expression:"
            " schedule '* * *', expression: it has 3 fields; write five fields (minute, hour, day of month, month, day"
            " of week), or six with the second first.",
        ]
        assert (await made.register(**key)).status_code == 200
        await made.register(wrong, **key)
    assert len(refused()) == 3, "after one that counted, the reason is logged again"


async def test_of_an_app_whose_registration_is_refused_nothing_else_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """It answers 200 all the same, as the SDKs do; the reason was logged when the registration came."""
    async with AsyncExitStack() as stack:

        async def answer(_: Received, writer: Any) -> None:
            assert (await client.post("/fn/register", json={"functions": []})).status_code == 400
            writer.write(reply(200))

        server = await stack.enter_async_context(endpoint(answer))
        runner = JobRunner(":memory:")
        app = inngest_app(runner, mode="dev", apps=[f"{server.url}/x"], look_every=0.1)
        transport = httpx.ASGITransport(app)
        client = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://inngest.test"))
        await stack.enter_async_context(runner)
        await until(lambda: len(server.received) >= 4)
    assert caplog.text.count("an app at 127.0.0.1 was not registered: appName=None") == 1
    assert "did not register itself" not in caplog.text


async def test_an_app_that_cannot_ask_back_at_first_is_asked_again_soon_and_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A host listens only when its start is complete; by then the apps were asked."""
    answers = iter([reply(500), reply(500)])

    async def answer(_: Received, writer: Any) -> None:
        writer.write(next(answers, reply(200)))

    async with endpoint(answer) as server:
        runner = JobRunner(":memory:")
        inngest_app(runner, mode="dev", apps=[f"{server.url}/x"], look_every="1h")
        async with runner:
            await until(lambda: len(server.received) >= 3)
    assert "did not register itself" not in caplog.text


async def test_jobs_of_functions_are_not_reported_before_what_is_registered_is_known(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with endpoint(sdk(200, 1)) as server:
        async with served(tmp_path) as (runner, client):
            await client.post("/fn/register", json=functions(f"{server.url}/api/inngest", "pay", "mail"))
            await runner.types.pause("shop-pay")
            await client.post("/e/key", json={"name": "shop/pay"})
        caplog.clear()
        async with served(tmp_path) as (runner, _):
            await until(lambda: "shop-pay" in runner.stats().by_type)
            assert "unclaimed" not in caplog.text
            await runner.documents.put("inngest.app", "shop", {"functions": {}})
        async with served(tmp_path):
            await until(lambda: "unclaimed" in caplog.text)
    assert "unclaimed: jobs wait, and no app has registered them: 1 job type (shop-pay (1))" in caplog.text


async def test_an_app_that_cannot_be_reached_keeps_no_other_waiting(caplog: pytest.LogCaptureFixture) -> None:
    async with endpoint(reply(200)) as server:
        runner = JobRunner(":memory:")
        inngest_app(runner, mode="dev", apps=["http://127.0.0.1:1/x", f"{server.url}/x"], look_every=0.1)
        async with runner:
            await until(lambda: len(server.received) >= 2)
    assert "http://127.0.0.1:1/x did not register itself" in caplog.text


async def test_a_cron_trigger_is_a_schedule_that_comes_and_goes_with_it(job_kit: JobKit) -> None:
    def script(body: Mapping[str, Any]) -> bytes:
        return sdk(200, body["event"])

    async with shop(job_kit, script) as made:
        crons = [{"cron": "TZ=Europe/Berlin 0 9 * * *"}, {"cron": "*/5 * * * *", "jitter": "30s"}]
        await made.register(made.function(triggers=crons))
        found = await made.runner.schedules.list()
        assert [(one.name, one.expression, one.tz) for one in found] == [
            ("shop-pay 1", "0 9 * * *", "Europe/Berlin"), ("shop-pay 2", "*/5 * * * *", "UTC"),
        ]  # fmt: skip
        await made.runner.schedules.run_now("shop-pay 1")
        await made.runner.run_until_idle()
        assert (await made.job()).result["name"] == "inngest/scheduled.timer"
        await job_kit.advance("5m40s")
        ticked = await made.job()
        assert ticked.tick is not None
        assert ticked.result == {
            "name": "inngest/scheduled.timer", "id": ticked.tick.isoformat(), "data": {"cron": "*/5 * * * *"},
            "user": {}, "ts": ticked.tick.timestamp() * 1000,
        }  # fmt: skip
        await made.register(made.function(triggers=crons[:1]))
        assert [one.name for one in await made.runner.schedules.list()] == ["shop-pay 1"]
        await made.register()
        assert await made.runner.schedules.list() == []


async def test_more_job_types_are_expected_until_the_registered_apps_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until then no run is dead because its process died: its type says what follows that."""
    may_load, load = asyncio.Event(), Apps.load

    async def load_late(apps: Apps) -> None:
        await may_load.wait()
        await load(apps)

    monkeypatch.setattr(Apps, "load", load_late)
    runner = JobRunner(":memory:")
    inngest_app(runner, mode="dev")
    async with runner:
        registry = Probe(runner).engine.registry
        assert registry.is_partial
        may_load.set()
        await until(lambda: not registry.is_partial)
