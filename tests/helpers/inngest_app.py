"""The Inngest application of a runner in memory, and an app of the test's own that registers functions with it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx

from aiojobs_lite import Backoff, Job, JobRunner
from aiojobs_lite.inngest import inngest_app
from aiojobs_lite.testing import JobKit
from tests.helpers.endpoints import Endpoint, endpoint
from tests.helpers.inngest import App, Script, sdk


class Shop:
    """An app that has registered functions, and the client of the server.

    Attributes:
        runner: The runner.
        client: Calls the endpoints of the server.
        app: The app, and what it was called for.
    """

    def __init__(self, kit: JobKit, runner: JobRunner, client: httpx.AsyncClient, app: App, server: Endpoint) -> None:
        self.runner = runner
        self.client = client
        self.app = app
        self._kit = kit
        self._url = f"{server.url}/api/inngest"

    def function(self, name: str = "pay", **more: Any) -> dict[str, Any]:
        """A function of the app, as an SDK registers it; `shop/pay` starts it."""
        runtime = {"type": "http", "url": f"{self._url}?fnId=shop-{name}&stepId=step"}
        step = {"id": "step", "name": "step", "runtime": runtime}
        return {
            "id": f"shop-{name}",
            "name": name,
            "triggers": [{"event": f"shop/{name}"}],
            "steps": {"step": step},
            **more,
        }

    async def register(self, *functions: Mapping[str, Any], app: str = "shop", **headers: str) -> httpx.Response:
        """Registers functions."""
        body = {
            "url": self._url,
            "deployType": "ping",
            "appName": app,
            "functions": list(functions),
            "sdk": "js:v4.24.0",
        }
        return await self.client.post("/fn/register", json=body, headers=headers)

    async def send(self, name: str = "shop/pay", **data: Any) -> str:
        """Sends an event; returns its id."""
        answer = await self.client.post("/e/key", json={"name": name, "data": data})
        assert answer.status_code == 200, answer.text
        (event,) = answer.json()["ids"]
        return str(event)

    async def runs_of(self, event: str) -> list[dict[str, Any]]:
        """The runs that an event has started."""
        found: list[dict[str, Any]] = (await self.client.get(f"/v1/events/{event}/runs")).json()["data"]
        return found

    async def run(self, name: str = "shop/pay", **data: Any) -> dict[str, Any]:
        """Sends an event, and runs until its one run is at its end."""
        event = await self.send(name, **data)
        await self._kit.run_to_end()
        (found,) = await self.runs_of(event)
        return found

    async def ends(self, *names: str) -> list[dict[str, Any]]:
        """The data of the events of ends, the first first."""
        found = await self.runner.events.list(limit=1_000)
        return [{"name": one.name, **_data(one.data_json)} for one in reversed(found) if one.name in names]

    async def job(self, function: str = "shop-pay") -> Job:
        """The latest run of a function."""
        return (await self.runner.jobs.list(type=function, limit=1))[0]


def _data(text: str) -> dict[str, Any]:
    return dict(httpx.Response(200, text=text).json())


@asynccontextmanager
async def shop(
    kit: JobKit,
    script: Script,
    *,
    runner: JobRunner | None = None,
    before: Callable[[JobRunner], Any] | None = None,
    **options: Any,
) -> AsyncIterator[Shop]:
    """A running server, and an app that answers its calls by a script.

    Args:
        kit: The kit of the test.
        script: Answers the calls.
        runner: The runner; None: one in memory.
        before: Is given the runner before its start.
        **options: Those of the application.
    """
    app, runner = App(script), runner or JobRunner(":memory:")
    async with endpoint(app.answers) as server:
        made = inngest_app(runner, **{"mode": "dev", "backoff": Backoff(base="1m"), **options})
        if before is not None:
            before(runner)
        client = httpx.AsyncClient(transport=httpx.ASGITransport(made), base_url="http://inngest.test")
        async with kit(runner), client:
            yield Shop(kit, runner, client, app, server)


def returns(value: object) -> Script:
    """Each call is the end of the run."""
    return lambda _: sdk(200, value)
