"""Runs and events for people, and what an app fetches of a run that is too large for a call."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from aiojobs_lite.clock import to_micros
from aiojobs_lite.errors import JobNotFound
from aiojobs_lite.handlers.event import check_event_name
from aiojobs_lite.http.serving import ApiError
from aiojobs_lite.inngest.api.door import InngestRoute, respond, respond_listed
from aiojobs_lite.inngest.events import from_memo
from aiojobs_lite.inngest.fetched import actions_text, batch_text
from aiojobs_lite.inngest.hub import Hub
from aiojobs_lite.inngest.ids import event_id, job_of_run, number_of, run_id
from aiojobs_lite.inngest.run_events import EVENT, EVENTS, run_events
from aiojobs_lite.model.job import Job, Status
from aiojobs_lite.runner.events import StoredEvent

STATUSES: Final = {
    Status.PENDING: "Running", Status.PROCESSING: "Running", Status.COMPLETED: "Completed", Status.DEAD: "Failed",
    Status.CANCELLED: "Cancelled",
}  # fmt: skip
"""The words for where a run stands."""

_MOST_EVENTS: Final = 100
_LIMIT: Final = re.compile(r"0*[1-9][0-9]{0,8}")


async def get_run(hub: Hub, request: Request) -> Response:
    """One run."""
    return respond_listed(hub, shown_run(await find_run(hub, request.path_params["run"])))


async def cancel_run(hub: Hub, request: Request) -> Response:
    """Cancels a run; one that has ended stays as it is."""
    job = await find_run(hub, request.path_params["run"])
    if not job.is_finished:
        await hub.runner.jobs.cancel(job.id, reason="cancelled over the API")
    return respond(hub, "")


async def list_sent(hub: Hub, request: Request) -> Response:
    """The latest events, of one name or of all."""
    name = request.query_params.get("name")
    limit = request.query_params.get("limit", "")
    most = min(int(limit), _MOST_EVENTS) if _LIMIT.fullmatch(limit) else _MOST_EVENTS
    found = await hub.runner.events.list(name=check_event_name(name) if name else None, limit=most)
    return respond_listed(hub, [shown_event(one) for one in found])


async def get_event(hub: Hub, request: Request) -> Response:
    """One event."""
    return respond_listed(hub, shown_event(await hub.runner.events.get(_number(request))))


async def runs_of_event(hub: Hub, request: Request) -> Response:
    """The runs that an event has started."""
    number = _number(request)
    started = await hub.runner.events.started(number)
    ids = [job for job, name in started.items() if name in hub.apps.functions]
    found = await hub.runner.jobs.get_many(ids)
    return respond_listed(hub, [shown_run(found[job]) for job in ids if job in found])


async def actions_of_run(hub: Hub, request: Request) -> Response:
    """The steps of a run, as a call has them."""
    job = await find_run(hub, request.path_params["run"])
    return respond(hub, await actions_text(hub.ask_store, job))


async def batch_of_run(hub: Hub, request: Request) -> Response:
    """The events of a run, as a call has them."""
    job = await find_run(hub, request.path_params["run"])
    return respond(hub, batch_text(job))


async def find_run(hub: Hub, run: str) -> Job:
    """The job of a run.

    Raises:
        ApiError: 404, if there is none.
    """
    job_id = job_of_run(run)
    try:
        if job_id is not None:
            job = await hub.runner.jobs.get(job_id)
            if run_id(to_micros(job.created_at), job.id) == run and _is_run(job):
                return job
    except JobNotFound:
        pass
    raise ApiError(404, f"there is no run {run!r}: it never was, or is deleted")


def _is_run(job: Job) -> bool:
    """Whether a job is that of a function: it was started with an event. All others are none of this API's."""
    return isinstance(job.payload, Mapping) and not job.payload.keys().isdisjoint((EVENT, EVENTS))


def shown_run(job: Job) -> dict[str, Any]:
    """A run as people get it."""
    ended_at = None if job.completed_at is None else _text(job.completed_at)
    output = job.result if job.status is Status.COMPLETED else {"name": "Error", "message": job.error or job.reason}
    return {
        "run_id": run_id(to_micros(job.created_at), job.id),
        "function_id": job.type,
        "status": STATUSES[job.status],
        "run_started_at": _text(job.started_at or job.created_at),
        "ended_at": ended_at,
        "output": output if job.is_finished else None,
        "event_id": run_events(job.payload)[0]["id"],
    }


def shown_event(event: StoredEvent) -> dict[str, Any]:
    """An event as people get it."""
    sent_at = to_micros(event.sent_at)
    memo = {"id": event.id, "name": event.name, "data": json.loads(event.data_json), "sent_at": sent_at}
    internal = event_id(sent_at, event.number)
    return {"internal_id": internal, **from_memo(memo), "received_at": _text(event.sent_at)}


def _number(request: Request) -> int:
    number = number_of(request.path_params["event"])
    if number is None:
        raise ApiError(404, f"there is no event {request.path_params['event']!r}: take the id that was answered for it")
    return number


def _text(instant: datetime) -> str:
    return instant.isoformat().replace("+00:00", "Z")


RUN_ROUTES: Final = (
    InngestRoute(("GET",), "/v1/runs/{run}", get_run),
    InngestRoute(("DELETE",), "/v1/runs/{run}", cancel_run),
    InngestRoute(("GET",), "/v1/events", list_sent),
    InngestRoute(("GET",), "/v1/events/{event}", get_event),
    InngestRoute(("GET",), "/v1/events/{event}/runs", runs_of_event),
    InngestRoute(("GET",), "/v0/runs/{run}/actions", actions_of_run),
    InngestRoute(("GET",), "/v0/runs/{run}/batch", batch_of_run),
)
"""The endpoints of runs and events."""
