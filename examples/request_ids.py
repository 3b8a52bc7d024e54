"""Run `uvicorn examples.request_ids:app`. Each request has an id, and so has each log line of the jobs that it starts.

curl -X POST -H "X-Request-ID: r-17" "localhost:8000/users?email=a@example.org"
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from contextvars import ContextVar
from typing import Any
from uuid import uuid4

from fastapi import FastAPI, Request, Response

from aiojobs_lite import JobContext, JobRunner
from aiojobs_lite.runner.middleware import JobToEnqueue, Middleware

request_id: ContextVar[str] = ContextVar("request_id", default="-")
log = logging.getLogger("shop")


class WithRequestId(logging.Filter):
    """Adds `request_id` to each log record; drops none."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Adds it."""
        record.request_id = request_id.get()
        return True


shown = logging.StreamHandler()
shown.setFormatter(logging.Formatter("%(request_id)s %(message)s"))
shown.addFilter(WithRequestId())
log.addHandler(shown)
log.setLevel(logging.INFO)


class RequestIds(Middleware):
    """Takes the id of the request along with each job, and into the attempts of it."""

    async def around_enqueue(self, jobs: Sequence[JobToEnqueue], proceed: Callable[[], Awaitable[None]]) -> None:
        """Adds it to the metadata, which are stored with the job."""
        for job in jobs:
            job.metadata["request_id"] = request_id.get()
        await proceed()

    async def around_attempt(self, ctx: JobContext, proceed: Callable[[], Awaitable[Any]]) -> Any:
        """Sets it for the handler, and for all that it calls."""
        request_id.set(ctx.metadata.get("request_id", "-"))  # each attempt has context variables of its own
        return await proceed()


runner = JobRunner("app.db", middleware=[RequestIds()])
app = FastAPI(lifespan=runner.lifespan)


@runner.job
async def welcome(email: str) -> None:
    log.info("a mail goes to %s", email)


@app.middleware("http")
async def give_id(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    request_id.set(request.headers.get("X-Request-ID") or uuid4().hex)
    return await call_next(request)


@app.post("/users", status_code=202)
async def sign_up(email: str) -> int:
    log.info("a user signs up")
    return (await runner.enqueue(welcome, email=email)).id
