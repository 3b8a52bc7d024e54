"""Messages of the QStash API in tests: published, cancelled, dead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import httpx

from aiojobs_lite import JobRunner
from aiojobs_lite.model.job import Job
from tests.helpers.endpoints import Endpoint, Received, endpoint, local
from tests.helpers.qstash import serving

URL = "http://127.0.0.1:9/hook"  # nothing is delivered where it is used


async def published(api: httpx.AsyncClient, url: str = URL, **headers: str) -> str:
    """The id of a message."""
    given = {f"Upstash-{name.replace('_', '-')}": value for name, value in headers.items()}
    made = await api.post(f"/v2/publish/{url}", headers=given, content=b"hello")
    assert made.status_code == 200, made.text
    return str(made.json()["messageId"])


async def cancelled(api: httpx.AsyncClient, ids: list[str] | None = None, **parameters: Any) -> int:
    """How many are cancelled, by a body or by parameters."""
    body = None if ids is None else {"messageIds": ids}
    found = await api.request("DELETE", "/v2/messages", json=body, params=parameters)
    assert found.status_code == 200, found.text
    assert found.json().keys() == {"cancelled"}
    return int(found.json()["cancelled"])


class World(NamedTuple):
    """A client, a runner, and a receiver that answers the status that stands in the path."""

    api: httpx.AsyncClient
    runner: JobRunner
    receiver: Endpoint

    async def dead(self, path: str = "/404", **headers: str) -> str:
        """The id of a message that has died."""
        message_id = await published(self.api, f"{self.receiver.url}{path}", **{"Retries": "0", **headers})
        await self.runner.run_until_idle()
        return message_id

    async def listed(self, **parameters: Any) -> list[str]:
        """The ids of the dead messages on all pages."""
        ids: list[str] = []
        while True:
            found = (await self.api.get("/v2/dlq", params=parameters)).json()
            ids += [one["dlqId"] for one in found["messages"]]
            if "cursor" not in found:
                return ids
            parameters["cursor"] = found["cursor"]

    async def job(self, message_id: str) -> Job:
        job_id = self.runner.jobs.id_of(message_id)
        assert job_id is not None
        return await self.runner.jobs.get(job_id)


async def by_path(request: Received, writer: asyncio.StreamWriter) -> None:
    """Answers the status in the path; `/gone` not at all."""
    status = request.target.strip("/").partition("?")[0].partition("/")[0]
    if status != "gone":
        body = b"\xff" if status == "500" else f"{status} Sorry".encode()
        head = f"HTTP/1.1 {status} Sorry\r\nX-Why: test\r\nContent-Length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
    writer.close()


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    http = local(per_host=None, breaker=None)
    runner = JobRunner(":memory:", jobs=[http])
    async with endpoint(by_path) as receiver, serving(runner, http) as api:
        yield World(api, runner, receiver)
