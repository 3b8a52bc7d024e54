"""Schedules: messages that are published again and again, by a cron expression."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from aiojobs_lite.errors import JobNotFound, ScheduleNotFound
from aiojobs_lite.handlers.job_type import BoundJob
from aiojobs_lite.http.fan_out import FAN_OUT
from aiojobs_lite.http.serving import ApiError, read_body
from aiojobs_lite.model.job import Job, Status
from aiojobs_lite.model.schedule_states import ScheduleState
from aiojobs_lite.qstash.api import LISTED_AT_ONCE, Api, Route, answer, caller_ip
from aiojobs_lite.qstash.cron import cron_schedule
from aiojobs_lite.qstash.destination import destination
from aiojobs_lite.qstash.groups import GROUP, GroupEndpoint, endpoints_of
from aiojobs_lite.qstash.headers import message_options
from aiojobs_lite.qstash.names import given_name
from aiojobs_lite.qstash.objects import message_fields
from aiojobs_lite.qstash.outgoing import Outgoing, deliveries_of
from aiojobs_lite.qstash.times import milliseconds

_PREFIX: Final = "qstash:"  # of the names of its schedules in the database
_ANY_URL: Final = "https://group.invalid"  # the URLs are read when a message is published
_NOT_OF_SCHEDULES: Final = ("url", "maxRetries", "scheduleId")
_ENDED: Final[Mapping[Status, str]] = {Status.COMPLETED: "SUCCESS", Status.DEAD: "FAIL", Status.CANCELLED: "FAIL"}


async def make_schedule(api: Api, outgoing: Outgoing) -> str:
    """Makes a schedule of what a client publishes, or replaces the one of its id wholly; returns its id. One that is
    paused stays so.

    Raises:
        ApiError: 400, if it has no cron expression; 404, if there is no such URL group.
        InvalidOption: If something of it cannot work.
    """
    options = outgoing.options
    if options.cron is None:
        raise ApiError(400, "there is no cron expression: send Upstash-Cron, such as 0 3 * * *")
    if options.deduplication_id is not None or options.is_content_based:
        raise ApiError(400, "a schedule publishes a new message at each tick: send no Upstash-Deduplication-Id with it")
    schedule_id = given_name("Upstash-Schedule-Id", options.schedule_id or f"scd_{secrets.token_hex(12)}")
    cron = cron_schedule(options.cron)
    bound = await _bound(api, replace(outgoing, schedule=schedule_id))
    await api.runner.schedules.put(_PREFIX + schedule_id, cron.expression, bound, tz=cron.tz, overlap="queue")
    return schedule_id


async def create_schedule(api: Api, request: Request) -> Response:
    """Makes a schedule, or replaces the one of its id."""
    where = destination(request.path_params["destination"], request.scope["query_string"].decode("latin-1"))
    options = message_options(request.headers.items(), where.settings)
    body = await read_body(request, api.http.largest_body)
    return answer({"scheduleId": await make_schedule(api, Outgoing(where, options, body, caller_ip(request)))})


async def show_schedules(api: Api, request: Request) -> Response:
    """All schedules, by id."""
    del request
    shown: list[dict[str, Any]] = []
    after = None
    while True:
        page = await api.runner.schedules.list(prefix=_PREFIX, after=after, limit=LISTED_AT_ONCE)
        shown += [await _shown(api, one) for one in page]
        if len(page) < LISTED_AT_ONCE:
            return answer(shown)
        after = page[-1].name


async def show_schedule(api: Api, request: Request) -> Response:
    """One schedule."""
    with _named(request) as name:
        return answer(await _shown(api, await api.runner.schedules.get(name)))


async def remove_schedule(api: Api, request: Request) -> Response:
    """Deletes a schedule. Its messages stay."""
    with _named(request) as name:
        await api.runner.schedules.delete(name)
    return answer()


async def stop_schedule(api: Api, request: Request) -> Response:
    """Has a schedule publish nothing until it is resumed."""
    with _named(request) as name:
        await api.runner.schedules.pause(name)
    return answer()


async def continue_schedule(api: Api, request: Request) -> Response:
    """Has a schedule publish again."""
    with _named(request) as name:
        await api.runner.schedules.resume(name)
    return answer()


@contextmanager
def _named(request: Request) -> Iterator[str]:
    """The name of a schedule in the database; an error has its id alone."""
    schedule_id = given_name("schedule id", request.path_params["id"])
    try:
        yield _PREFIX + schedule_id
    except ScheduleNotFound:
        problem = f"there is no schedule {schedule_id!r}: POST /v2/schedules/<destination> makes it"
        raise ApiError(404, problem) from None


async def _bound(api: Api, outgoing: Outgoing) -> BoundJob[Any]:
    """The job of each tick: the delivery to a URL, or what makes one for each endpoint of a group."""
    if outgoing.destination.is_url:
        (delivery,) = await deliveries_of(api, outgoing)
        return delivery.request.bind()
    group = outgoing.destination.text
    await endpoints_of(api, group)
    (delivery,) = await deliveries_of(api, outgoing, [GroupEndpoint(_ANY_URL)])
    return api.http.fan_out.bind(GROUP, group, delivery.request)


async def _shown(api: Api, schedule: ScheduleState) -> dict[str, Any]:
    arguments, options = schedule.payload, schedule.options
    destination = arguments.get("group") or arguments["url"]
    if schedule.type == FAN_OUT:
        arguments, options = arguments["message"], json.loads(arguments["options"])
    fields = message_fields(arguments, options["metadata"], options["max_attempts"])
    zone, timeout = schedule.tz, arguments.get("timeout")
    latest = await _job(api, schedule.latest_job)
    return {
        **{name: value for name, value in fields.items() if name not in _NOT_OF_SCHEDULES},
        "scheduleId": schedule.name.removeprefix(_PREFIX),
        "cron": schedule.expression if zone == "UTC" else f"CRON_TZ={zone} {schedule.expression}",
        "destination": destination,
        "createdAt": None if schedule.created_at is None else milliseconds(schedule.created_at),
        "retries": fields["maxRetries"],
        "delay": None if "delay" not in options else int(options["delay"]),
        "timeout": None if timeout is None else f"{timeout:g}s",
        "callerIp": fields["callerIP"],
        "isPaused": schedule.paused_since is not None,
        "lastScheduleTime": None if schedule.last_tick is None else milliseconds(schedule.last_tick),
        "nextScheduleTime": milliseconds(schedule.next_tick),
        "lastScheduleStates": await _states(api, latest) or None,
        "error": None if latest is None or latest.status is not Status.DEAD else latest.error,
    }


async def _states(api: Api, latest: Job | None) -> dict[str, str]:
    """How the messages of the latest tick stand, by id."""
    if latest is None:
        return {}
    keys = [api.runner.jobs.key_of(latest.id)] if latest.type != FAN_OUT else latest.result or []
    jobs = {key: await _job(api, int(key.rpartition("-")[2])) for key in keys}
    return {key: _ENDED.get(job.status, "IN_PROGRESS") for key, job in jobs.items() if job is not None}


async def _job(api: Api, job_id: int | None) -> Job | None:
    """A job, if it is still there."""
    try:
        return None if job_id is None else await api.runner.jobs.get(job_id)
    except JobNotFound:
        return None


SCHEDULE_ROUTES: Final = (
    Route("GET", "/v2/schedules", show_schedules),
    Route("GET", "/v2/schedules/{id}", show_schedule),
    Route("DELETE", "/v2/schedules/{id}", remove_schedule),
    Route("POST", "/v2/schedules/{id}/pause", stop_schedule),
    Route("PATCH", "/v2/schedules/{id}/pause", stop_schedule),
    Route("POST", "/v2/schedules/{id}/resume", continue_schedule),
    Route("PATCH", "/v2/schedules/{id}/resume", continue_schedule),
    Route("POST", "/v2/schedules/{destination:raw}", create_schedule),
)
