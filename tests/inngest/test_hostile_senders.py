"""Hostile apps and senders over real HTTP, at the endpoints of the server: floods, replays, requests that never come to
their ends, and very many requests that the server shall make. Other requests are answered, and other runs go on.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import pytest

from aiojobs_lite import Backoff, JobRunner
from aiojobs_lite.inngest import inngest_app
from tests.helpers.asgi_server import served
from tests.helpers.endpoints import Answers, Endpoint, Received, endpoint, reply
from tests.helpers.inngest import operation, sdk
from tests.helpers.waiting import until

pytestmark = pytest.mark.slow
Writer = asyncio.StreamWriter
FETCHES: Final = 300
AT_ONCE: Final = 5
AHEAD: Final = 25  # replays that are answered at once
REPLAYS_PER_S: Final = 50


class Site:
    """A server, two apps with a function each, and a client.

    Attributes:
        runner: Runs the functions.
        client: Calls the endpoints of the server.
        url: The address of the server.
    """

    def __init__(self, runner: JobRunner, client: httpx.AsyncClient, url: str) -> None:
        self.runner = runner
        self.client = client
        self.url = url

    async def run_of_the_good_app(self) -> None:
        """Sends an event, and waits for the end of its run."""
        before = self.runner.stats().by_type["good-go"].completed
        assert (await self.client.post("/e/key", json={"name": "good/go"})).status_code == 200
        await until(lambda: self.runner.stats().by_type["good-go"].completed == before + 1, 0.01)


@asynccontextmanager
async def site(server: Endpoint, **options: Any) -> AsyncIterator[Site]:
    """A running server; the calls of both apps come to this endpoint."""
    runner = JobRunner(":memory:", cancel_grace="1s", drain_timeout="0.1s")
    app = inngest_app(runner, **{"mode": "dev", "backoff": Backoff(base="1s", cap="2s"), **options})
    async with runner, served(app) as url, httpx.AsyncClient(base_url=url, timeout=60) as client:
        for name in ("evil", "good"):
            step = {"runtime": {"type": "http", "url": f"{server.url}/{name}"}}
            one = {"id": f"{name}-go", "triggers": [{"event": f"{name}/go"}], "steps": {"step": step}}
            registered = await client.post("/fn/register", json={"appName": name, "functions": [one]})
            assert registered.status_code == 200, registered.text
        yield Site(runner, client, url)


def evil(answers: Answers) -> Answers:
    """The evil app answers so, and the good one as it should."""

    async def answer(received: Received, writer: Writer) -> None:
        if "good" in received.target:
            writer.write(sdk(200, "1"))
        else:
            await answers(received, writer)

    return answer


async def never(_: Received, __: Writer) -> None:
    await asyncio.Event().wait()


async def test_a_flood_of_events_is_taken_once_and_other_requests_are_answered_before_its_end() -> None:
    """Four requests with 5,000 events each, which are sent twice by one seed, as an SDK does without an answer."""
    events = [{"name": "flood/of"}] * 5_000
    seeds = [f"1767225600000,{letter * 13}A==" for letter in "AQ"]
    async with endpoint(evil(never)) as server, site(server) as made:

        async def flood(seed: str) -> httpx.Response:
            return await made.client.post("/e/key", json=events, headers={"x-inngest-event-id-seed": seed})

        tasks = [asyncio.create_task(flood(seed)) for seed in [*seeds, *seeds]]
        await made.run_of_the_good_app()
        assert not any(task.done() for task in tasks)
        answers = await asyncio.gather(*tasks)
        assert [answer.status_code for answer in answers] == [200] * 4
        ids = [answer.json()["ids"] for answer in answers]
        assert {len(one) for one in ids} == {5_000}
        assert (len({*ids[0], *ids[1]}), ids[2:]) == (10_000, ids[:2])


async def test_of_many_events_those_before_a_bad_one_are_taken_and_none_behind_it() -> None:
    events: list[Any] = [{"name": "good/go", "data": {"n": n}} for n in range(180)]
    events[133] = {"name": "inngest/mine"}
    async with endpoint(evil(never)) as server, site(server) as made:
        answer = await made.client.post("/e/key", json=events)
        assert (answer.status_code, len(answer.json()["ids"])) == (400, 133)
        await until(lambda: made.runner.stats().by_type["good-go"].completed == 133, 0.01)
        assert len(await made.runner.events.list(name="good/go", limit=1_000)) == 133


async def test_a_checkpoint_of_a_call_that_is_open_is_stored_once_and_its_replays_are_slowed_down() -> None:
    call: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    async def open_call(received: Received, _: Writer) -> None:
        call.set_result(received.json()["ctx"])
        await asyncio.Event().wait()

    async with endpoint(evil(open_call)) as server, site(server) as made:
        await made.client.post("/e/key", json={"name": "evil/go"})
        ctx = await call
        steps = [operation("StepRun", "a", data=1)]
        path = f"/v1/checkpoint/{ctx['run_id']}/async"
        body = {"qi_id": ctx["qi_id"], "steps": steps}
        statuses, begun = list[int](), time.monotonic()

        async def replay() -> None:
            while True:
                statuses.append((await made.client.post(path, json=body)).status_code)

        tasks = [asyncio.create_task(replay()) for _ in range(10)]
        await until(lambda: len(statuses) > 2 * AHEAD)
        await made.run_of_the_good_app()
        later = {**body, "steps": [operation("StepRun", "b", data=2)]}
        assert (await made.client.post(path, json=later)).status_code == 200
        assert len(statuses) <= AHEAD + 2 + (time.monotonic() - begun) * REPLAYS_PER_S
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert {*statuses} == {200}
        (job,) = await made.runner.jobs.list(type="evil-go")
        stored = [step.result_json for step in await made.runner.jobs.steps(job.id)]
        assert stored == ['{"data":1}', '{"data":2}']


@pytest.mark.parametrize(
    "start", [b"GET /v1/eve", b"POST /e/key HTTP/1.1\r\nhost: x\r\ncontent-length: 3000000\r\n\r\n[", b""]
)
async def test_requests_that_never_come_to_their_ends_hold_up_no_other_one(start: bytes) -> None:
    async with endpoint(evil(never)) as server, site(server) as made:
        place = urlsplit(made.url)
        writers = []
        for _ in range(300):
            _, writer = await asyncio.open_connection(place.hostname, place.port)
            writer.write(start)
            writers.append(writer)
        await made.run_of_the_good_app()
        for writer in writers:
            writer.write(b"a")
        await made.run_of_the_good_app()
        assert made.runner.stats().by_type["good-go"].completed == 2
        for writer in writers:
            writer.close()


@pytest.mark.parametrize("is_answered", [True, False])
async def test_of_the_requests_that_the_server_makes_for_an_app_some_are_made_at_once(is_answered: bool) -> None:
    """The host of the requests answers each with 100 KB of text, or never."""
    fetched = list[str]()

    async def answer(received: Received, writer: Writer) -> None:
        if received.target == "/fetched":
            fetched.append(received.target)
            if is_answered:
                writer.write(reply(200, b"x" * 100_000))
            else:
                await never(received, writer)
        elif received.json()["steps"]:
            writer.write(sdk(200, "1"))
        else:
            opts = {"url": f"{server.url}/fetched"}
            found = [operation("Gateway", f"fetch {n}", opts=opts) for n in range(FETCHES if not is_answered else 20)]
            writer.write(sdk(206, json.dumps(found)))

    options: dict[str, Any] = {"app_concurrency": AT_ONCE, "gateway": ["127.0.0.1"], "timeout": "30s"}
    async with endpoint(evil(answer)) as server, site(server, **options) as made:
        await made.client.post("/e/key", json={"name": "evil/go"})
        await until(lambda: len(fetched) >= (20 if is_answered else AT_ONCE))
        await made.run_of_the_good_app()
        assert server.most_open <= AT_ONCE + 2  # and a call of each app
        if is_answered:
            await until(lambda: made.runner.stats().by_type["evil-go"].completed == 1, 0.01)
