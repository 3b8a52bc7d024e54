"""The events of messages: what has become of them and when, made of their jobs and of the history of those."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from aiojobs_lite.http.callbacks import by_name
from aiojobs_lite.model.job import Attempt, Job, Outcome, Status
from aiojobs_lite.model.moments import Moment, MomentKind
from aiojobs_lite.qstash.api import Api, Route, answer, parameters_of
from aiojobs_lite.qstash.filters import EVENTS_FORM, STATES, MessageFilter, read_filter
from aiojobs_lite.qstash.moments import Happened, ListPlace, MomentList
from aiojobs_lite.qstash.objects import message_fields
from aiojobs_lite.qstash.times import milliseconds

_DEFAULT_COUNT: Final = 100
_MICROSECONDS: Final = 1000  # of a millisecond
_KINDS: Final[Mapping[str, frozenset[MomentKind]]] = {
    "CREATED": frozenset({MomentKind.ENQUEUED}),
    "ACTIVE": frozenset({MomentKind.STARTED}),
    "RETRY": frozenset({MomentKind.FAILED}),
    "ERROR": frozenset({MomentKind.FAILED}),
    "DELIVERED": frozenset({MomentKind.COMPLETED}),
    "FAILED": frozenset({MomentKind.DEAD}),
    "CANCEL_REQUESTED": frozenset({MomentKind.STARTED, MomentKind.CANCELLED}),
    "CANCELED": frozenset({MomentKind.CANCELLED}),
}
"""In which moments the events of each state are found."""


async def list_events(api: Api, request: Request) -> Response:
    """Lists events, the latest first."""
    events, cursor = await _listed(api, request)
    return answer({"events": events, "cursor": cursor})


async def list_logs(api: Api, request: Request) -> Response:
    """The same by another name."""
    events, cursor = await _listed(api, request)
    return answer({"logs": events, "cursor": cursor})


async def _listed(api: Api, request: Request) -> tuple[list[dict[str, Any]], str | None]:
    return await read_events(api, read_filter(EVENTS_FORM, parameters_of(request)))


async def read_events(api: Api, asked: MessageFilter) -> tuple[list[dict[str, Any]], str | None]:
    """A page of events, and where the list goes on, or None."""
    states = frozenset(STATES) if asked.states is None else asked.states
    kinds = frozenset[MomentKind]().union(*(_KINDS[state] for state in states))
    count, found = asked.count or _DEFAULT_COUNT, list[dict[str, Any]]()
    moments = MomentList(api, asked, kinds)
    skip = moments.start.skip
    async with aclosing(aiter(moments)) as listed:
        async for happened in listed:
            entries = [state for state in states_at(happened.moment, happened.job) if state in states]
            for place, state in enumerate(entries[skip:], skip):
                if len(found) == count:
                    return found, ListPlace(happened.before, place).cursor()
                found.append(event_object(happened, state, api.runner.jobs.key_of(happened.job.id)))
            skip = 0
    return found, None if moments.rest is None else ListPlace(moments.rest).cursor()


def states_at(moment: Moment, job: Job) -> list[str]:
    """The states that a message has come to at a moment, the latest first."""
    match moment.kind:
        case MomentKind.ENQUEUED:
            return ["CREATED"]
        case MomentKind.STARTED:
            is_asked = job.cancel_requested and job.status is Status.PROCESSING and moment.attempt == job.attempts
            return ["CANCEL_REQUESTED", "ACTIVE"] if is_asked else ["ACTIVE"]
        case MomentKind.FAILED:
            past = _attempt(job, moment.attempt)
            if past is None or past.outcome is Outcome.CANCELLED:
                return []
            return ["RETRY", "ERROR"] if _is_retried(job, past) else ["ERROR"]
        case MomentKind.COMPLETED:
            return ["DELIVERED"]
        case MomentKind.DEAD:
            return ["FAILED"]
        case MomentKind.CANCELLED:
            return ["CANCELED", "CANCEL_REQUESTED"]


def event_object(happened: Happened, state: str, key: str) -> dict[str, Any]:
    """An event as the API shows it.

    Args:
        happened: The moment and its job.
        state: The state that the message came to.
        key: The id of the message.
    """
    moment, job = happened.moment, happened.job
    payload = job.payload
    fields = message_fields(payload, job.metadata, job.max_attempts)
    body = fields.pop("bodyBase64", None) or _base64(fields.pop("body", ""))
    timeout = payload.get("timeout")
    return {
        "time": moment.at // _MICROSECONDS,
        "messageId": key,
        "state": state,
        **fields,
        "body": body,
        "callbackHeaders": fields["callbackHeader"],
        "failureCallbackHeaders": fields["failureCallbackHeader"],
        "retryDelayExpr": fields["retryDelayExpression"],
        "timeout": None if timeout is None else round(timeout * 1000),
        **_said(moment, job, state),
    }


def _said(moment: Moment, job: Job, state: str) -> dict[str, Any]:
    """What a receiver has answered, or why there is no answer."""
    if state == "DELIVERED":
        return _answered(job.result if isinstance(job.result, dict) else {})
    past = _attempt(job, moment.attempt) if state in {"ERROR", "RETRY"} else None
    if state == "FAILED" and job.history:
        past = job.history[-1]
    details = {} if past is None else past.details or {}
    error = None if past is None else details.get("error") or past.message or past.outcome.value
    if state == "FAILED" and not details:  # else the receiver's answer is why
        error = job.error or job.reason or error
    return {**_answered(details), "error": error, "nextDeliveryTime": _next(job, past) if state != "FAILED" else None}


def _answered(details: Mapping[str, Any]) -> dict[str, Any]:
    headers, body = by_name(details.get("headers", ())) or None, details.get("body", "")
    return {
        "responseStatus": details.get("status") or None,
        "responseHeader": headers,
        "responseHeaders": headers,
        "responseBody": body if details.get("is_base64") else _base64(body),
    }


def _attempt(job: Job, number: int) -> Attempt | None:
    """An attempt by its number; the last one of it, since a job that was redriven counts anew."""
    return next((past for past in reversed(job.history) if past.attempt == number), None)


def _is_retried(job: Job, past: Attempt) -> bool:
    return past.attempt < job.attempts or job.status in {Status.PENDING, Status.CANCELLED}


def _next(job: Job, past: Attempt | None) -> int | None:
    """When the next attempt was, or is, due; in milliseconds."""
    if past is None or not _is_retried(job, past):
        return None
    after = _attempt(job, past.attempt + 1)
    if after is not None:
        return None if after.started_at is None else milliseconds(after.started_at)
    if past.attempt == job.attempts:
        return milliseconds(job.scheduled_at) if job.status is Status.PENDING else None
    return None if job.started_at is None else milliseconds(job.started_at)


def _base64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


EVENT_ROUTES: Final = (Route("GET", "/v2/events", list_events), Route("GET", "/v2/logs", list_logs))
