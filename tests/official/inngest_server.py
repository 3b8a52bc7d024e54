"""The server that a suite of Inngest is run against: the app, a new database, and what only the suites ask."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from starlette.applications import Starlette
from starlette.routing import Mount

from aiojobs_lite import Backoff, JobRunner
from aiojobs_lite.inngest import inngest_app
from tests.helpers.asgi_server import served
from tests.helpers.waiting import unmeasured
from tests.official.graphql import graphql_route
from tests.official.inngest_traces import RunnerReader

PORT: Final = 8288
"""That of the development server: the suite in TypeScript knows no other one."""


@asynccontextmanager
async def serving(folder: Path) -> AsyncIterator[dict[str, str]]:
    """Serves the app, whose database is new, in a folder; gives the environment of a suite."""
    runner = JobRunner(folder / "jobs.db")
    # The suites start their server with `--retry-interval 1`, and ask a model that runs beside them.
    app = inngest_app(runner, mode="dev", backoff=Backoff(base="1s", cap="1s"), gateway=["127.0.0.1", "localhost"])
    with_traces = Starlette(routes=[graphql_route(RunnerReader(runner)), Mount("/", app)])
    async with runner, served(with_traces, socket.create_server(("127.0.0.1", PORT))):
        yield {
            **{name: value for name, value in unmeasured().items() if "INNGEST" not in name},
            "DEV_SERVER_ENABLED": "0",
            "DEV_SERVER_PORT": str(PORT),
        }
