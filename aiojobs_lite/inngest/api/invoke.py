"""Starts one function with an event, whatever its triggers are."""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from aiojobs_lite.clock import to_micros
from aiojobs_lite.http.serving import ApiError, read_body
from aiojobs_lite.inngest.api.door import InngestRoute, decoded, respond
from aiojobs_lite.inngest.flow import invoked
from aiojobs_lite.inngest.hub import Hub
from aiojobs_lite.inngest.ids import run_id
from aiojobs_lite.sizes import LARGEST_REQUEST_BYTES


async def invoke(hub: Hub, request: Request) -> Response:
    """Starts a run of a function."""
    function = request.path_params["slug"]
    config = hub.apps.functions.get(function)
    if config is None:
        raise ApiError(404, f"there is no function {function!r}")
    body = await read_body(request, LARGEST_REQUEST_BYTES)
    given = decoded(body) if body.strip() else {}
    if not isinstance(given, dict):
        raise ApiError(400, "the body is no object: send the event, or its data")
    if isinstance(given.get("data"), dict):
        given["data"].pop("_inngest", None)  # what the server alone says of an invocation
    handle = await hub.runner.enqueue_named(function, **invoked(config, given, hub.now()))
    created_at = to_micros((await handle.job()).created_at)
    return respond(hub, {"status": 200, "run_id": run_id(created_at, handle.id)})


INVOKE_ROUTES: Final = (InngestRoute(("POST",), "/invoke/{slug}", invoke),)
"""The endpoint of invocations."""
