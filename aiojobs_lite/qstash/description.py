"""The description of the API by OpenAPI, made from one table of its operations."""

from __future__ import annotations

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final, NamedTuple

from starlette.requests import Request
from starlette.responses import Response

from aiojobs_lite.qstash.api import Api, Route, answer
from aiojobs_lite.qstash.shapes import COUNT, FLAG, SHAPES, TEXT, Schema, listed, ref

_JSON: Final = "application/json"
_ANY_BODY: Final[Mapping[str, Schema]] = {
    _JSON: {}, "text/plain": TEXT, "application/octet-stream": {**TEXT, "format": "binary"}, "*/*": {},
}  # fmt: skip
_NONE: Final[Mapping[str, Schema]] = {}


class ApiCall(NamedTuple):
    """What one endpoint takes and answers.

    Attributes:
        summary: What it does.
        answers: The schema of the answer by its status; None for an answer without a body.
        query: Its parameters.
        headers: Those that it reads.
        body: The schema of a JSON body; an empty one is a body of any kind.
    """

    summary: str
    answers: Mapping[int, Schema | None]
    query: Mapping[str, Schema] = _NONE
    headers: Mapping[str, Schema] = _NONE
    body: Schema | None = None


def _texts(names: str) -> dict[str, Schema]:
    return dict.fromkeys(names.split(), TEXT)


def _example(*examples: str, pattern: str | None = None) -> Schema:
    return {**TEXT, "examples": [*examples], **({} if pattern is None else {"pattern": pattern})}


_METHOD: Final[Schema] = {"enum": ["GET", "POST", "PUT", "PATCH", "DELETE"]}
_RETRIES: Final[Schema] = {**COUNT, "examples": [0, 3]}
_DURATION: Final = _example("50s", "1h30m", pattern="^([0-9]+[dhms])+$|^[0-9]+$")
_DELIVERY: Final[Mapping[str, Schema]] = {
    "Method": _METHOD, "Retries": _RETRIES, "Delay": _DURATION, "Timeout": _DURATION,
    "Retry-Delay": _example("1000 * (1 + retried)"), "Forward-X": _example("1"),
}  # fmt: skip
_FLOW_VALUE: Final = "^(parallelism=[1-9][0-9]*)?(, *)?(rate=[1-9][0-9]*)?(, *)?(period=([0-9]+[dhms])+)?$"
_URL: Final = _example("https://example.com/done", pattern="^https?://.")
_HEADERS: Final[Mapping[str, Schema]] = {
    **{f"Upstash-{name}": schema for name, schema in _DELIVERY.items()},
    **{
        f"Upstash-{kind}Callback{name}": schema
        for kind in ("", "Failure-")
        for name, schema in {"": _URL, **{f"-{name}": schema for name, schema in _DELIVERY.items()}}.items()
    },
    "Upstash-Not-Before": _example("0", pattern="^[0-9]{1,10}$"),
    "Upstash-Deduplication-Id": _example("order-7"),
    "Upstash-Content-Based-Deduplication": {"enum": ["true", "false"]},
    "Upstash-Flow-Control-Key": _example("tenant"),
    "Upstash-Flow-Control-Value": _example("parallelism=2, rate=5, period=60s", pattern=_FLOW_VALUE),
    "Upstash-Label": _example("eu,nightly"),
    "Upstash-Redact-Fields": _example("body", "header[Authorization]"),
}  # fmt: skip
_SCHEDULE_HEADERS: Final[Mapping[str, Schema]] = {
    **_HEADERS,
    "Upstash-Cron": _example(
        "CRON_TZ=Europe/London 0 9 * * *", pattern="^(CRON_TZ=[A-Za-z_/+0-9-]+ )?([^ ]+ ){4}[^ ]+$"
    ),
    "Upstash-Schedule-Id": _example("nightly"),
    "Upstash-Queue-Name": _example("line"),
}

_DATES: Final[Mapping[str, Schema]] = {"fromDate": COUNT, "toDate": COUNT}
_COMMON: Final = {**_texts("messageId url topicName queueName scheduleId label flowControlKey callerIp"), **_DATES}
_PAGE: Final[Mapping[str, Schema]] = {"count": COUNT, "cursor": TEXT}
_DEAD: Final = {**_COMMON, "responseStatus": COUNT}
_SOME_DEAD: Final = {**_DEAD, **_PAGE, "dlqIds": listed(TEXT)}
_EVENTS: Final = {**_COMMON, **_PAGE, **_texts("host path state callerIP"), "messageIds": listed(TEXT)}
_SOME_MESSAGES: Final = {
    **{name: schema for name, schema in _COMMON.items() if name != "messageId"},
    **_texts("host path callerIP"), "messageIds": listed(TEXT), "count": COUNT,
}  # fmt: skip

_MADE: Final[Schema] = {"anyOf": [ref("Made"), listed(ref("Made"))]}
_DONE: Final[Mapping[int, Schema | None]] = {200: None}


def _object(properties: Mapping[str, Schema], *needed: str) -> Schema:
    return {"type": "object", "properties": properties, "required": [*needed]}


def _page(name: str, of: str) -> Schema:
    return {
        "type": "object", "properties": {name: listed(ref(of)), "cursor": TEXT}, "required": [name],
        "additionalProperties": False,
    }  # fmt: skip


_SCHEDULED: Final[Schema] = _object(_texts("scheduleId"), "scheduleId")
_MADE_OR_SCHEDULED: Final[Schema] = {"anyOf": [*_MADE["anyOf"], _SCHEDULED]}  # with the header Upstash-Cron
_ENDPOINTS: Final = _object({"endpoints": listed(_object({"url": TEXT, "name": TEXT}))}, "endpoints")
_BATCH: Final = listed(
    _object(
        {
            "destination": TEXT, "headers": {"type": "object", "additionalProperties": TEXT},
            "body": {"type": ["string", "null"]}, "queue": {"type": ["string", "null"]},
        },
        "destination",
    )
)  # fmt: skip

OPERATIONS: Final[Mapping[str, ApiCall]] = {
    "POST /v2/publish/{destination}": ApiCall(
        "Publishes a message to a URL or a URL group, or makes a schedule of it",
        {200: _MADE_OR_SCHEDULED, 202: _MADE}, headers=_SCHEDULE_HEADERS, body={},
    ),
    "POST /v2/enqueue/{queue}/{destination}": ApiCall(
        "Publishes a message by a queue", {200: _MADE_OR_SCHEDULED, 202: _MADE}, headers=_HEADERS, body={}
    ),
    "POST /v2/batch": ApiCall(
        "Publishes several messages", {200: listed({"anyOf": [*_MADE["anyOf"], ref("Error")]})}, body=_BATCH
    ),
    "GET /v2/messages/{messageId}": ApiCall("Reads a message", {200: ref("Message")}),
    "DELETE /v2/messages/{messageId}": ApiCall("Cancels a message", {200: _object({"cancelled": COUNT})}),
    "DELETE /v2/messages": ApiCall(
        "Cancels messages: those of a filter, or all", {200: _object({"cancelled": COUNT}, "cancelled")},
        query=_SOME_MESSAGES, body=_object({"messageIds": listed(TEXT)}),
    ),
    "POST /v2/queues": ApiCall(
        "Makes or changes a queue", _DONE,
        body=_object({"queueName": TEXT, "parallelism": COUNT, "paused": FLAG}, "queueName"),
    ),
    "GET /v2/queues": ApiCall("Lists the queues", {200: listed(ref("Queue"))}),
    "GET /v2/queues/{queue}": ApiCall("Reads a queue", {200: ref("Queue")}),
    "DELETE /v2/queues/{queue}": ApiCall("Deletes a queue", _DONE),
    "POST /v2/queues/{queue}/pause": ApiCall("Pauses a queue", _DONE),
    "POST /v2/queues/{queue}/resume": ApiCall("Resumes a queue", _DONE),
    "POST /v2/schedules/{destination}": ApiCall(
        "Makes or replaces a schedule", {200: _SCHEDULED}, headers=_SCHEDULE_HEADERS, body={}
    ),
    "GET /v2/schedules": ApiCall("Lists the schedules", {200: listed(ref("Schedule"))}),
    "GET /v2/schedules/{scheduleId}": ApiCall("Reads a schedule", {200: ref("Schedule")}),
    "DELETE /v2/schedules/{scheduleId}": ApiCall("Deletes a schedule", _DONE),
    **{
        f"{method} /v2/schedules/{{scheduleId}}/{verb}": ApiCall(f"{verb.capitalize()}s a schedule", _DONE)
        for method in ("PATCH", "POST")
        for verb in ("pause", "resume")
    },
    "POST /v2/topics/{group}/endpoints": ApiCall("Adds endpoints to a URL group", _DONE, body=_ENDPOINTS),
    "DELETE /v2/topics/{group}/endpoints": ApiCall("Removes endpoints of a URL group", _DONE, body=_ENDPOINTS),
    "GET /v2/topics": ApiCall("Lists the URL groups", {200: listed(ref("Group"))}),
    "GET /v2/topics/{group}": ApiCall("Reads a URL group", {200: ref("Group")}),
    "DELETE /v2/topics/{group}": ApiCall("Deletes a URL group", _DONE),
    "GET /v2/dlq": ApiCall("Lists dead messages", {200: _page("messages", "DeadMessage")}, query={**_DEAD, **_PAGE}),
    "GET /v2/dlq/{dlqId}": ApiCall("Reads a dead message", {200: ref("DeadMessage")}),
    "DELETE /v2/dlq/{dlqId}": ApiCall("Deletes a dead message", _DONE),
    "DELETE /v2/dlq": ApiCall(
        "Deletes dead messages", {200: _object({"deleted": COUNT, "cursor": TEXT}, "deleted")}, query=_SOME_DEAD,
        body=_object({"dlqIds": listed(TEXT)}),
    ),
    "POST /v2/dlq/retry": ApiCall(
        "Publishes dead messages again", {201: _page("responses", "Made")}, query=_SOME_DEAD
    ),
    "POST /v2/dlq/retry/{dlqId}": ApiCall(
        "Publishes a dead message again", {201: ref("Made")}, headers=_HEADERS
    ),
    "GET /v2/events": ApiCall("Lists events", {200: _page("events", "Event")}, query=_EVENTS),
    "GET /v2/logs": ApiCall("Lists events", {200: _page("logs", "Event")}, query=_EVENTS),
    "GET /v2/flowControl": ApiCall(
        "Lists the flow control keys", {200: listed(ref("FlowControl"))}, query={"search": TEXT}
    ),
    "GET /v2/flowControl/{key}": ApiCall("Reads a flow control key", {200: ref("FlowControl")}),
    **{
        f"POST /v2/flowControl/{{key}}/{verb}": ApiCall(summary, _DONE, query=query)
        for verb, summary, query in (
            ("pause", "Pauses a flow control key", _NONE),
            ("resume", "Resumes a flow control key", _NONE),
            ("resetRate", "Begins a new period of a flow control key", _NONE),
            ("pin", "Sets what messages do not change", dict.fromkeys(("parallelism", "rate", "period"), COUNT)),
            ("unpin", "Lets messages set it again", dict.fromkeys(("parallelism", "rate"), FLAG)),
        )
    },
    "GET /v2/globalParallelism": ApiCall("Reads what is delivered at once", {200: ref("GlobalParallelism")}),
    "GET /v2/keys": ApiCall("Reads the signing keys", {200: ref("Keys")}),
    "POST /v2/keys/rotate": ApiCall("Rotates the signing keys", {200: ref("Keys")}),
}  # fmt: skip
"""All endpoints by method and path."""


def description(server: str) -> dict[str, Any]:
    """The description of the API.

    Args:
        server: The URL or the path below which it is.
    """
    paths: dict[str, dict[str, Any]] = {}
    for name, operation in OPERATIONS.items():
        method, path = name.split(" ")
        paths.setdefault(path, {})[method.lower()] = _described(path, operation)
    return {
        "openapi": "3.1.0",
        "info": {"title": "Messages over HTTP, as QStash's clients call them", "version": "2"},
        "servers": [{"url": server}],
        "security": [{"token": []}],
        "paths": paths,
        "components": {"schemas": SHAPES, "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}},
    }


def _described(path: str, operation: ApiCall) -> dict[str, Any]:
    in_path = re.findall(r"{(\w+)}", path)
    answers: dict[int, Schema | None] = {**operation.answers, **dict.fromkeys((400, 401, 403), ref("Error"))}
    if in_path:
        answers[404] = ref("Error")
    if operation.body is not None:
        answers[413] = ref("Error")
    found: dict[str, Any] = {
        "summary": operation.summary,
        "parameters": [
            *({"name": name, "in": "path", "required": True, "schema": TEXT} for name in in_path),
            *({"name": name, "in": "query", "schema": schema} for name, schema in operation.query.items()),
            *({"name": name, "in": "header", "schema": schema} for name, schema in operation.headers.items()),
        ],
        "responses": {str(status): _answer(status, schema) for status, schema in sorted(answers.items())},
    }
    if operation.body is not None:
        kinds = {_JSON: operation.body} if operation.body else _ANY_BODY
        found["requestBody"] = {"content": {kind: {"schema": schema} for kind, schema in kinds.items()}}
    return found


def _answer(status: int, schema: Schema | None) -> dict[str, Any]:
    content = {} if schema is None else {"content": {_JSON: {"schema": schema}}}
    return {"description": HTTPStatus(status).phrase, **content}


async def get_description(api: Api, request: Request) -> Response:
    """The description, for tools that read it."""
    del api
    return answer(description(request.scope.get("root_path") or "/"))


DESCRIPTION_ROUTES: Final = (Route("GET", "/openapi.json", get_description),)
