"""One endpoint in three ways: no job, a job of `BackgroundTasks`, and a durable one.

With `FREEZE=1` it follows `docs/guides/performance.md`: the garbage collector leaves alone what the start has made.
Otherwise an endpoint that awaits anything (here: a commit) makes it walk through all of that, several times a second.
"""

from __future__ import annotations

import gc
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import BackgroundTasks, FastAPI

from aiojobs_lite import JobRunner

runner = JobRunner(durability="normal")  # on the database that AIOJOBS_LITE_DATABASE names


@runner.job
async def welcome(user_id: int) -> None:
    """Does nothing, as in every workload."""


@asynccontextmanager
async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
    """Starts and drains the runner."""
    async with runner:
        if os.environ.get("FREEZE"):
            gc.collect()
            gc.freeze()
        yield


app = FastAPI(lifespan=lifespan)


@app.get("/none")
async def none() -> dict[str, int]:
    """Answers."""
    return {"job": 0}


@app.get("/background")
async def background(tasks: BackgroundTasks) -> dict[str, int]:
    """Answers, then runs the handler; lost if the process ends."""
    tasks.add_task(welcome, user_id=1)
    return {"job": 0}


@app.get("/enqueue")
async def enqueue() -> dict[str, int]:
    """Answers when the job is durable."""
    return {"job": (await runner.enqueue(welcome, user_id=1)).id}
