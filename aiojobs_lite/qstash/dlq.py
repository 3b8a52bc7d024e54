"""The dead letter list: read, deleted from, and tried again from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import aclosing
from typing import Any, Final, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from aiojobs_lite.errors import JobNotAllowed, JobNotFound
from aiojobs_lite.http.callbacks import by_name
from aiojobs_lite.http.serving import ApiError
from aiojobs_lite.model.job import Job, Status
from aiojobs_lite.model.moments import MomentKind
from aiojobs_lite.qstash.api import Api, Route, answer
from aiojobs_lite.qstash.bulk import asked_by
from aiojobs_lite.qstash.filters import DLQ_FORM, MOST_LISTED_DEAD, MessageFilter
from aiojobs_lite.qstash.headers import message_options
from aiojobs_lite.qstash.moments import ListPlace, MomentList
from aiojobs_lite.qstash.objects import message_object
from aiojobs_lite.qstash.overrides import changes_of, metadata_again
from aiojobs_lite.qstash.queues import parallelism_of


class DeadMessages(NamedTuple):
    """Dead messages, the latest first, and where the list goes on, or None."""

    jobs: list[Job]
    cursor: str | None


async def list_dlq(api: Api, request: Request) -> Response:
    """Lists dead messages, those that died last before the others."""
    page = await _page(api, await asked_by(api, request, DLQ_FORM))
    messages = [dead_object(job, api.runner.jobs.key_of(job.id)) for job in page.jobs]
    return answer({"messages": messages, "cursor": page.cursor})


async def get_dead(api: Api, request: Request) -> Response:
    """One dead message."""
    job = await _dead(api, request)
    return answer(dead_object(job, api.runner.jobs.key_of(job.id)))


async def delete_dead(api: Api, request: Request) -> Response:
    """Deletes one dead message."""
    job = await _dead(api, request)
    if not await api.runner.jobs.delete_many([job.id], status=Status.DEAD):
        raise _gone(request)
    return answer({"deleted": 1})


async def delete_many_dead(api: Api, request: Request) -> Response:
    """Deletes dead messages by their ids or by a filter, a page of the list; says how many, and where it goes on."""
    page = await _page(api, await _asked_for_many(api, request))
    deleted = await api.runner.jobs.delete_many([job.id for job in page.jobs], status=Status.DEAD)
    return answer({"deleted": deleted, "cursor": page.cursor})


async def retry_many_dead(api: Api, request: Request) -> Response:
    """Publishes dead messages again, under new ids; they are on the list no more."""
    page = await _page(api, await _asked_for_many(api, request))
    made = await _publish_again(api, page.jobs)
    again = [{"messageId": api.runner.jobs.key_of(made[job.id])} for job in page.jobs if job.id in made]
    return answer({"responses": again, "cursor": page.cursor}, 201)


async def retry_dead(api: Api, request: Request) -> Response:
    """Publishes a dead message again, under a new id; what the headers of the request say is otherwise."""
    job = await _dead(api, request)
    options = message_options([pair for pair in request.headers.items() if pair[0].startswith("upstash-")])
    changes = changes_of(job, options)
    if options.flow is not None:
        queue = job.metadata.get("queue")
        counted = None if queue is None else (queue, await parallelism_of(api, queue))
        changes["limits"] = await api.limits.of(options.flow, counted)
    try:
        made = await api.runner.jobs.redrive_as_new(job.id, **changes)
    except (JobNotFound, JobNotAllowed):
        raise _gone(request) from None
    return answer({"messageId": api.runner.jobs.key_of(made)}, 201)


async def _publish_again(api: Api, dead: Iterable[Job]) -> dict[int, int]:
    """Publishes messages again; the ids of their jobs by those of the dead ones, without those that are gone."""
    alike, made = list[int](), dict[int, int]()
    for job in dead:
        metadata = metadata_again(job)
        if metadata == job.metadata:
            alike.append(job.id)
            continue
        try:
            made[job.id] = await api.runner.jobs.redrive_as_new(job.id, metadata=metadata)
        except (JobNotFound, JobNotAllowed):  # it is on the list no more
            continue
    return made | await api.runner.jobs.redrive_many_as_new(alike, status=Status.DEAD)


def dead_object(job: Job, key: str) -> dict[str, Any]:
    """A dead message as the API shows it."""
    details = last_answer(job)
    return {
        **message_object(job, key),
        "dlqId": key,
        "responseStatus": details.get("status", 0),
        "responseHeader": by_name(details.get("headers", ())) or None,
        "responseBodyBase64" if details.get("is_base64") else "responseBody": details.get("body"),
    }


def last_answer(job: Job) -> Mapping[str, Any]:
    """What the last attempt of a job kept of its answer."""
    return (job.history[-1].details if job.history else None) or {}


async def _page(api: Api, asked: MessageFilter) -> DeadMessages:
    """A page of dead messages."""
    count = min(asked.count or MOST_LISTED_DEAD, MOST_LISTED_DEAD)
    if asked.ids is not None and asked.cursor is None:
        count = max(count, len(asked.ids)) if asked.count is None else count
    found: list[Job] = []
    moments = MomentList(api, asked, {MomentKind.DEAD})
    async with aclosing(aiter(moments)) as listed:
        async for _, job, before in listed:
            if job.status is not Status.DEAD:
                continue
            if asked.statuses is not None and last_answer(job).get("status", 0) not in asked.statuses:
                continue
            if len(found) == count:
                return DeadMessages(found, ListPlace(before).cursor())
            found.append(job)
    return DeadMessages(found, None if moments.rest is None else ListPlace(moments.rest).cursor())


async def _asked_for_many(api: Api, request: Request) -> MessageFilter:
    asked = await asked_by(api, request, DLQ_FORM)
    if not asked.is_given:
        raise ApiError(400, "say which messages are meant: by dlqIds, by a filter, or by count alone for any")
    return asked


async def _dead(api: Api, request: Request) -> Job:
    """The job of a dead message that a path names."""
    job_id = api.runner.jobs.id_of(request.path_params["id"])
    page = await _page(api, MessageFilter(ids=(request.path_params["id"],))) if job_id is not None else None
    if page is None or not page.jobs:
        raise _gone(request)
    return page.jobs[0]


def _gone(request: Request) -> ApiError:
    return ApiError(404, f"there is no dead message {request.path_params['id']!r}")


DLQ_ROUTES: Final = (
    Route("GET", "/v2/dlq", list_dlq),
    Route("DELETE", "/v2/dlq", delete_many_dead),
    Route("POST", "/v2/dlq/retry", retry_many_dead),
    Route("POST", "/v2/dlq/retry/{id}", retry_dead),
    Route("GET", "/v2/dlq/{id}", get_dead),
    Route("DELETE", "/v2/dlq/{id}", delete_dead),
)
