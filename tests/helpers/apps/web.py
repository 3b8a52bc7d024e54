"""A web application for uvicorn. AIOJOBS_LITE_DATABASE names its database, WEB_OPTIONS holds the runner's options."""

from __future__ import annotations

import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from fastapi.responses import StreamingResponse

from aiojobs_lite import JobRunner
from tests.helpers.apps.common import say, show_log
from tests.helpers.apps.worker import JOBS, ORDERS, quick

show_log()
runner = JobRunner(jobs=JOBS, **json.loads(os.environ.get("WEB_OPTIONS", "{}")))


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    ORDERS.watch()
    async with runner:
        yield
        say("lifespan ends")
    say("lifespan ended")


app = FastAPI(lifespan=lifespan)


@app.post("/jobs/{name}")
async def enqueue(name: str) -> int:
    return (await runner.enqueue_named(name)).id


@app.get("/slow")
async def slow() -> StreamingResponse:
    """A response that stays open until the order `answer`, and enqueues a job then."""

    async def body() -> AsyncIterator[str]:
        yield "begun\n"
        await ORDERS.next()
        yield f"{(await runner.enqueue(quick)).id}\n"

    return StreamingResponse(body())
