"""The dashboard below a path of applications of other frameworks, each of which passes that path in its own way."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import httpx
import pytest

from aiojobs_lite import JobRunner
from aiojobs_lite.web import jobs_dashboard
from tests.helpers.dashboard import SAME_ORIGIN, SITE, tags_of
from tests.helpers.rings import slow

pytestmark = slow

MOUNT = "/admin/jobs"


def in_fastapi(dashboard: Any) -> Any:
    from fastapi import FastAPI

    app = FastAPI()
    app.mount(MOUNT, dashboard)
    return app


def in_litestar(dashboard: Any) -> Any:
    from litestar import Litestar, asgi

    return Litestar([asgi(MOUNT, is_mount=True, copy_scope=True)(dashboard)], logging_config=None)


def in_quart(dashboard: Any) -> Any:
    from hypercorn.middleware import DispatcherMiddleware
    from quart import Quart

    return DispatcherMiddleware({MOUNT: dashboard, "": Quart(__name__)})


def in_django(dashboard: Any) -> Any:
    """As an `asgi.py` beside Django's application, which serves all else."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        assert scope["path"].startswith(MOUNT)
        await dashboard({**scope, "root_path": MOUNT}, receive, send)

    return application


@pytest.mark.parametrize("host", [in_fastapi, in_litestar, in_quart, in_django])
async def test_pages_links_and_actions_work_below_a_path(host: Callable[[Any], Any]) -> None:
    runner = JobRunner(":memory:")

    @runner.job
    async def work() -> None: ...

    app = host(jobs_dashboard(runner, auth=lambda _: "admin"))
    transport = httpx.ASGITransport(app=app)
    async with runner, httpx.AsyncClient(transport=transport, base_url=SITE, headers=SAME_ORIGIN) as client:
        await runner.types.pause(work)
        await runner.enqueue(work)
        for path, title in (("", "Overview"), ("/", "Overview"), ("/jobs", "Jobs"), ("/jobs/1", "Job 1")):
            page = await client.get(f"{MOUNT}{path}", follow_redirects=True)
            assert (page.status_code, title in page.text) == (200, True), page.text
            sheet, *_ = [given["href"] for _, given in tags_of(page.text) if given.get("rel") == "stylesheet"]
            assert (await client.get(page.url.join(str(sheet)))).headers["Content-Type"].startswith("text/css")
        done = await client.post(f"{MOUNT}/jobs/1/cancel", data={"pressed": "1"}, follow_redirects=True)
        assert "Job 1 is cancelled." in done.text
        assert done.url.path == f"{MOUNT}/jobs/1"
