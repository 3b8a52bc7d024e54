"""Cancels many runs of a function: of a time, and by an expression of their events."""

from __future__ import annotations

import uuid
from datetime import datetime
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import Response

from aiojobs_lite.http.serving import ApiError, read_body
from aiojobs_lite.inngest.api.door import InngestRoute, decoded, respond, respond_listed
from aiojobs_lite.inngest.expressions import Expression, ExpressionError, compile_expression
from aiojobs_lite.inngest.given import Given
from aiojobs_lite.inngest.hub import Hub
from aiojobs_lite.inngest.run_events import EVENT, run_events
from aiojobs_lite.model.job import Status
from aiojobs_lite.sizes import LARGEST_REQUEST_BYTES

_KIND: Final = "inngest.cancellation"
_PAGE: Final = 1_000
_KEPT: Final = "30d"
_REASON: Final = "cancelled over the API"


async def cancel_runs(hub: Hub, request: Request) -> Response:
    """Cancels the runs of a function that were started in a time; keeps what was asked for."""
    given = Given(decoded(await read_body(request, LARGEST_REQUEST_BYTES)), "cancellation")
    function = _function(hub, given)
    first, last = _instant(given, "started_after"), _instant(given, "started_before")
    if last is None:
        raise ApiError(400, "started_before: it is missing: an instant, such as 2026-01-31T12:00:00Z")
    text = given.get("if")
    if not isinstance(text, str | None):
        raise ApiError(400, "if: an expression, as text")
    try:
        condition = None if text is None else compile_expression(text)
    except ExpressionError as error:
        raise ApiError(400, f"if: {error}") from error
    await _cancel(hub, function, first, last, condition)
    body = {
        "id": uuid.uuid4().hex, "function_id": function, "kind": "backend", "if": text,
        "started_after": given.get("started_after"), "started_before": given.get("started_before"),
    }  # fmt: skip
    await hub.runner.documents.put(_KIND, body["id"], body, expires=_KEPT)
    return respond(hub, {"data": body}, 201)


async def list_cancellations(hub: Hub, _request: Request) -> Response:
    """What was cancelled so, of the last 30 days."""
    found = await hub.runner.documents.list(_KIND, limit=_PAGE)
    return respond_listed(hub, [one.body for one in found])


async def _cancel(
    hub: Hub, function: str, first: datetime | None, last: datetime, condition: Expression | None
) -> None:  # fmt: skip
    jobs = hub.runner.jobs
    if condition is None:
        await jobs.cancel_many(type=function, created_from=first, created_to=last, reason=_REASON)
        return
    for status in (Status.PENDING, Status.PROCESSING):
        before, is_more = None, True
        while is_more:
            page = await jobs.list(
                type=function, status=status, created_from=first, created_to=last, limit=_PAGE, after=before
            )
            ids = [job.id for job in page if condition.matches({EVENT: run_events(job.payload)[0]})]
            if ids:
                await jobs.cancel_many(ids, reason=_REASON)
            before = page.next
            is_more = before is not None


def _function(hub: Hub, given: Given) -> str:
    app, function = given.get("app_id"), given.get("function_id")
    for name in (str(function), f"{app}-{function}"):
        if name in hub.apps.functions:
            return name
    raise ApiError(404, f"there is no function {function!r} of the app {app!r}")


def _instant(given: Given, name: str) -> datetime | None:
    text: Any = given.get(name)
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        found = None
    if found is None or found.tzinfo is None:
        raise ApiError(400, f"{name}: an instant with a zone, such as 2026-01-31T12:00:00Z")
    return found


CANCELLATION_ROUTES: Final = (
    InngestRoute(("POST",), "/v1/cancellations", cancel_runs),
    InngestRoute(("GET",), "/v1/cancellations", list_cancellations),
)
"""The endpoints of cancellations."""
