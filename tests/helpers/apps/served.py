"""A web application for any ASGI server, with one job of each kind that a stopping server has to cope with.

AIOJOBS_LITE_DATABASE names its database, SERVED_LOG a file that all its processes share. There it notes `up PID` when
a runner is ready, `leaves PID` when the server ends the lifespan, `begin NAME PID` and `end NAME PID` around a job.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from aiojobs_lite import JobRunner, job
from tests.helpers.apps.common import note, show_log
from tests.helpers.pauses import hold_thread_for, work_for

DRAIN_TIMEOUT, CANCEL_GRACE = 1.5, 0.5  # seconds; short, for the test's sake
QUICK, BLOCKED = 0.5, 3.0  # seconds that these jobs take
LOG = Path(os.environ.get("SERVED_LOG", os.devnull))


@contextmanager
def noted(name: str) -> Iterator[None]:
    note(LOG, "begin", name, os.getpid())
    try:
        yield
    finally:
        note(LOG, "end", name, os.getpid())


@job
async def quick() -> None:
    with noted("quick"):
        await work_for(QUICK)


@job
async def long() -> None:
    with noted("long"):
        await asyncio.Event().wait()


@job
async def swallows() -> None:
    with noted("swallows"):
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                note(LOG, "swallowed", os.getpid())


@job
async def blocks() -> None:
    with noted("blocks"):
        hold_thread_for(BLOCKED)


@job
def thread() -> None:
    with noted("thread"):
        threading.Event().wait()


KINDS = (quick, long, swallows, blocks, thread)
runner = JobRunner(jobs=KINDS, drain_timeout=DRAIN_TIMEOUT, cancel_grace=CANCEL_GRACE)


@asynccontextmanager
async def lifespan(_app: Starlette) -> AsyncIterator[None]:
    show_log()
    async with runner:
        note(LOG, "up", os.getpid())
        yield
        note(LOG, "leaves", os.getpid())


async def enqueue(request: Request) -> Response:
    """Has the job run a moment later: one that blocks the event loop would hold up the answer as well."""
    (kind,) = [kind for kind in KINDS if kind.name == request.path_params["name"]]
    handle = await runner.enqueue(kind.using(delay=0.1))
    return PlainTextResponse(str(handle.id))


async def endless(_request: Request) -> Response:
    """Server-sent events without an end, each with the instant it was made."""

    async def body() -> AsyncIterator[str]:
        while True:
            yield f"data: {time.monotonic()}\n\n"
            await work_for(0.1)

    return StreamingResponse(body(), media_type="text/event-stream")


app = Starlette(
    routes=[Route("/jobs/{name}", enqueue, methods=["POST"]), Route("/endless", endless)], lifespan=lifespan
)
