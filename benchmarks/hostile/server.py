"""Our server: `python -m benchmarks.hostile.server DATABASE`, with uvicorn, until the process is killed.

Beside the Inngest application it says what its process has used so far, and when the latest runs of the good app ended.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
import time

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from aiojobs_lite import JobRunner
from aiojobs_lite.clock import to_micros
from aiojobs_lite.inngest import inngest_app
from benchmarks.harness import resident_megabytes
from benchmarks.inngest import FUNCTION


def application(runner: JobRunner) -> Starlette:
    """The Inngest application, and what the benchmark asks."""

    async def used(_: Request) -> JSONResponse:
        counts = runner.stats().by_type[FUNCTION]
        return JSONResponse({"completed": counts.completed, "cpu": time.process_time(), "memory": resident_megabytes()})

    async def ends(request: Request) -> JSONResponse:
        jobs = await runner.jobs.list(type=FUNCTION, status="completed", limit=int(request.query_params["count"]))
        found = [(job.payload["event"]["data"]["at"], job.completed_at) for job in jobs]
        return JSONResponse([(at, to_micros(end)) for at, end in found if end is not None])

    inngest = inngest_app(runner, mode="dev", gateway=["127.0.0.1"])
    return Starlette(routes=[Route("/bench/used", used), Route("/bench/ends", ends), Mount("/", inngest)])


async def main(database: str) -> None:
    """Serves until the process is killed."""
    logging.disable(logging.ERROR)
    runner = JobRunner(database, durability="normal")
    app = application(runner)
    with socket.create_server(("127.0.0.1", 0), backlog=1_024) as listening:
        async with runner:
            print(f"http://127.0.0.1:{listening.getsockname()[1]}", flush=True)
            await uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off")).serve([listening])


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
